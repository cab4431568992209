-- 0030_firmware_downloads
SELECT 1;
