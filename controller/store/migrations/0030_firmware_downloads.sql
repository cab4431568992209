-- What adapters have fetched of which image: a row for each attempt, however many requests it took.

-- An attempt ends when the image is there, and another one begins when the adapter starts at its first byte again, or
-- was quiet for a day. contract, code: of its registration when the attempt began. source: where its last request came
-- from. sent: body bytes of all its requests. reached: the image's first so many bytes went out, those before the
-- attempt included; of an adapter that fetches pieces at once, up to the furthest. outcome: of its last request;
-- under-way: that was answered, and the image goes on, or it is being answered. lost: also where whoever served it was killed.
CREATE TABLE firmware_download (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    adapter  text NOT NULL REFERENCES adapter,
    code     text NOT NULL REFERENCES code,
    contract text NOT NULL REFERENCES contract,
    series   text NOT NULL,
    version  text NOT NULL,
    sha256   text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size     bigint NOT NULL CHECK (size > 0),
    source   inet,
    began_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL,
    requests integer NOT NULL CHECK (requests >= 0),
    sent     bigint NOT NULL CHECK (sent >= 0),
    reached  bigint NOT NULL CHECK (reached BETWEEN 0 AND size),
    outcome  text NOT NULL CHECK (outcome IN ('under-way', 'complete', 'stalled', 'lost', 'damaged', 'refused')),
    CONSTRAINT complete_is_the_whole_image CHECK (outcome <> 'complete' OR reached = size)
);
CREATE INDEX ON firmware_download (adapter, sha256, id DESC);
CREATE INDEX ON firmware_download (contract, id DESC);
CREATE INDEX ON firmware_download (series, version, id DESC);
CREATE INDEX ON firmware_download (last_at);
CREATE INDEX firmware_download_under_way ON firmware_download (last_at) WHERE outcome = 'under-way';
