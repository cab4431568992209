-- 0029_firmware_rollouts
SELECT 1;
