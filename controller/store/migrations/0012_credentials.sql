-- What opens the adapters' SSH: per unit or per contract, exchanged without losing anybody, and keys they offered that
-- are not the pinned ones.

-- A credential of one adapter or of all adapters of one contract. Precedence: the adapter's, the contract's, what the
-- inventory says (adapter.ssh_*). superseded_at NULL: it is the current one; others are kept as long as some adapter may
-- still want them. alone: no earlier one is tried beside it. worked_at: when it first opened any adapter.
-- password, private_key: sealed, purposes "credential-password" and "credential-private-key"; key_fingerprint is of the
-- public half.
CREATE TABLE credential (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    adapter         text REFERENCES adapter,
    contract        text REFERENCES contract,
    username        text NOT NULL CHECK (username ~ '^[!-~]{1,64}$'),
    password        bytea,
    private_key     bytea,
    key_fingerprint text NOT NULL DEFAULT '',
    alone           boolean NOT NULL DEFAULT false,
    reason          text NOT NULL DEFAULT '',
    account         text NOT NULL REFERENCES account,
    set_at          timestamptz NOT NULL,
    superseded_at   timestamptz,
    worked_at       timestamptz,
    CONSTRAINT of_an_adapter_or_a_contract CHECK ((adapter IS NULL) <> (contract IS NULL)),
    CONSTRAINT opens_something CHECK (password IS NOT NULL OR private_key IS NOT NULL)
);
CREATE UNIQUE INDEX one_current_credential_per_adapter ON credential (adapter) WHERE superseded_at IS NULL;
CREATE UNIQUE INDEX one_current_credential_per_contract ON credential (contract) WHERE superseded_at IS NULL;
CREATE INDEX credential_of_adapter ON credential (adapter, superseded_at DESC) WHERE adapter IS NOT NULL;
CREATE INDEX credential_of_contract ON credential (contract, superseded_at DESC) WHERE contract IS NOT NULL;

-- What last opened each adapter (NULL: what the inventory says; at NULL: nothing did yet), and the one that it refused
-- last. Only adapters that a credential of the table above was tried on are here.
CREATE TABLE credential_login (
    adapter    text PRIMARY KEY REFERENCES adapter,
    credential bigint REFERENCES credential ON DELETE CASCADE,
    at         timestamptz,
    refused    bigint REFERENCES credential ON DELETE SET NULL,
    refused_at timestamptz,
    CONSTRAINT opened_at_a_time CHECK (credential IS NULL OR at IS NOT NULL)
);
CREATE INDEX ON credential_login (credential);
CREATE INDEX ON credential_login (refused);

-- The SSH host that leads to a contract's adapters. password, private_key: sealed, purposes "jump-password" and
-- "jump-private-key".
CREATE TABLE jump_host (
    contract    text PRIMARY KEY REFERENCES contract,
    address     inet NOT NULL,
    port        integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
    username    text NOT NULL CHECK (username ~ '^[!-~]{1,64}$'),
    password    bytea,
    private_key bytea,
    key_fingerprint text NOT NULL DEFAULT '',
    host_key    text NOT NULL CHECK (host_key <> ''),
    account     text NOT NULL REFERENCES account,
    set_at      timestamptz NOT NULL,
    CONSTRAINT opens_something CHECK (password IS NOT NULL OR private_key IS NOT NULL)
);

-- How each adapter is logged in to now. credential NULL: by the inventory's columns, whose password has the purpose
-- "ssh-password". settled: that credential is also what last opened it, so there is no other one to try, and nothing to
-- record. Not settled: what last opened it comes second, unless it was another contract's. If nothing ever did, the
-- contract's last one that has worked on others (a spare may have been set up with it), else what the inventory says.
-- A unit moves with its own credential, not with its code.
-- Joined for some adapters of many it wants a fence, or it is made for all of them (measured with 10,000 adapters, 50
-- wanted: 1 ms with it, 60 ms without):
--     JOIN LATERAL (SELECT * FROM ssh_login v WHERE v.adapter = m.adapter OFFSET 0) l ON true
CREATE VIEW ssh_login AS
SELECT a.serial AS adapter, c.contract, cur.id AS credential,
       coalesce(cur.username, a.ssh_username) AS username,
       CASE WHEN cur.id IS NULL THEN a.ssh_password ELSE cur.password END AS password, cur.private_key,
       s.settled, before.id AS previous_credential,
       CASE WHEN b.may THEN coalesce(before.username, a.ssh_username) END AS previous_username,
       CASE WHEN b.may THEN CASE WHEN before.id IS NULL THEN a.ssh_password ELSE before.password END END
           AS previous_password,
       CASE WHEN b.may THEN before.private_key END AS previous_private_key,
       host(j.address) AS jump_address, j.port AS jump_port, j.username AS jump_username,
       j.password AS jump_password, j.private_key AS jump_private_key, j.host_key AS jump_host_key
FROM adapter a
LEFT JOIN registration r ON r.adapter = a.serial
LEFT JOIN code c ON c.code = r.code
LEFT JOIN jump_host j ON j.contract = c.contract
LEFT JOIN credential_login w ON w.adapter = a.serial
LEFT JOIN LATERAL (
    SELECT * FROM credential x
    WHERE x.superseded_at IS NULL AND (x.adapter = a.serial OR x.contract = c.contract)
    ORDER BY x.adapter LIMIT 1  -- NULL, the contract's, comes last
) cur ON true
CROSS JOIN LATERAL (
    SELECT CASE WHEN w.at IS NULL THEN cur.id IS NULL ELSE w.credential IS NOT DISTINCT FROM cur.id END AS settled
) s
LEFT JOIN LATERAL (
    SELECT * FROM credential x
    WHERE NOT s.settled AND NOT coalesce(cur.alone, false) AND x.id IS DISTINCT FROM cur.id
      AND (x.adapter = a.serial OR x.contract = c.contract)
      AND CASE WHEN w.at IS NOT NULL THEN x.id = w.credential ELSE x.contract IS NOT NULL AND x.worked_at IS NOT NULL END
    ORDER BY x.superseded_at DESC LIMIT 1  -- NULL, the current one, comes first
) before ON true
CROSS JOIN LATERAL (
    SELECT NOT s.settled AND NOT coalesce(cur.alone, false) AND (cur.id IS NOT NULL OR before.id IS NOT NULL) AS may
) b;

-- Host keys that adapters showed instead of the pinned one: nobody is let in by them until an administrator says so.
-- pinned: what was pinned then. times: how often it was shown, last at last_at; task: the run that met it last.
CREATE TABLE host_key_offer (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    adapter    text NOT NULL REFERENCES adapter,
    contract   text REFERENCES contract,
    offered    text NOT NULL CHECK (length(offered) BETWEEN 10 AND 8000),
    pinned     text NOT NULL,
    state      text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'refused', 'superseded')),
    task       bigint REFERENCES task,
    first_at   timestamptz NOT NULL,
    last_at    timestamptz NOT NULL,
    times      integer NOT NULL DEFAULT 1,
    decided_at timestamptz,
    decided_by text REFERENCES account,
    reason     text NOT NULL DEFAULT '',
    CONSTRAINT decided_by_somebody CHECK ((state IN ('accepted', 'refused')) = (decided_at IS NOT NULL)
                                          AND (decided_at IS NULL) = (decided_by IS NULL))
);
CREATE UNIQUE INDEX one_live_offer_of_a_key ON host_key_offer (adapter, offered) WHERE state IN ('open', 'refused');
CREATE INDEX ON host_key_offer (adapter, id DESC);
CREATE INDEX host_key_offer_open ON host_key_offer (id) WHERE state = 'open';
