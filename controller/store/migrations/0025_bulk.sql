-- Many exchanges.
SELECT true;
