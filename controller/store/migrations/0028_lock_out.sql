-- Who was locked out just now is looked for twice a second, to end what is open to them (R3.7).
CREATE INDEX adapter_locked_out ON adapter (locked_out_at) WHERE locked_out_at IS NOT NULL;
