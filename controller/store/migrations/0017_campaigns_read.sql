-- read_with: version of the rules by which all its outputs were read after it had ended; NULL: not yet.
ALTER TABLE campaign ADD read_with integer;
