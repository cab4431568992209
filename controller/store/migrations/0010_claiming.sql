-- Filled in soon.
SELECT 1;
