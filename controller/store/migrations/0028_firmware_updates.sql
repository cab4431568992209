-- 0028_firmware_updates
SELECT 1;
