-- What a pull means for an exchange of any kind.
SELECT true;
