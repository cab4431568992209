-- The one mechanism that changes registrations.
SELECT true;
