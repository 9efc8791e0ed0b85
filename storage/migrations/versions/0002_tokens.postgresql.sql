CREATE TABLE token (
  id TEXT COLLATE "C" NOT NULL,
  secret_hash TEXT COLLATE "C" NOT NULL,
  actor TEXT COLLATE "C" NOT NULL,
  role TEXT COLLATE "C" NOT NULL,
  scopes TEXT COLLATE "C" NOT NULL,
  created_at TEXT COLLATE "C" NOT NULL,
  expires_at TEXT COLLATE "C" NOT NULL,
  revoked_at TEXT COLLATE "C",
  PRIMARY KEY (id)
);

CREATE OR REPLACE FUNCTION public.audit_sealed_with_its_entry() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM public.audit_entry WHERE idx = NEW.idx AND idx >= (SELECT rooted FROM public.audit_head WHERE id = 1)) THEN
    RAISE EXCEPTION 'a sealed part belongs to an entry just appended';
  END IF;
  RETURN NEW;
END
$$;
REVOKE ALL ON FUNCTION public.audit_sealed_with_its_entry() FROM PUBLIC;

CREATE INDEX idempotency_entry ON idempotency (entry);
