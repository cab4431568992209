-- Search and the questions people ask of the ledger.
SELECT true;
