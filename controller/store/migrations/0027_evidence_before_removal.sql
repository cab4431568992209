-- Evidence.
SELECT true;
