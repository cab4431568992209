-- Cases.
SELECT true;
