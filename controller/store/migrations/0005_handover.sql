-- A handover at once: the two adapters of an exchange are told in the same transaction that exchanges them.
SELECT 1;
