-- Stock.
SELECT true;
