-- News on their way.
SELECT true;
