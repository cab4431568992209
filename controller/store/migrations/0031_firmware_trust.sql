-- 0031_firmware_trust
SELECT 1;
