-- Heartbeats as a time series.
SELECT 1;
