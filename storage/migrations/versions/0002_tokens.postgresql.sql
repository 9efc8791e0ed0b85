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

DROP INDEX due_item_open;

ALTER TABLE due_item
  ADD COLUMN team TEXT COLLATE "C",
  ADD COLUMN assignee TEXT COLLATE "C",
  ADD COLUMN place TEXT COLLATE "C";

WITH policy AS MATERIALIZED (
  SELECT pack.sha256 AS pathway, due.key AS kind, due.value ->> 'priority' AS priority
  FROM pack, jsonb_each(convert_from(pack.bytes, 'UTF8')::jsonb -> 'due') AS due
), listed AS (
  SELECT item.episode_id, item.id, episode.team, coalesce(item.owner, episode.owner) AS assignee,
    CASE
      WHEN policy.priority = 'emergency' OR episode.urgency = 'emergency' THEN '0'
      WHEN policy.priority = 'urgent' OR episode.urgency = 'urgent' THEN '1'
      WHEN policy.priority = 'safety' AND item.rung = 0 THEN '2'
      WHEN policy.priority = 'safety' THEN '3'
      WHEN item.rung > 0 THEN '4'
      ELSE '5'
    END || ' ' || coalesce(item.due_at, '~') AS place
  FROM due_item AS item
  JOIN episode ON episode.id = item.episode_id
  LEFT JOIN policy ON policy.pathway = episode.pathway_sha AND policy.kind = item.kind
  WHERE item.status = 'open'
)
UPDATE due_item SET team = listed.team, assignee = listed.assignee, place = listed.place
FROM listed WHERE listed.episode_id = due_item.episode_id AND listed.id = due_item.id;

CREATE INDEX due_item_all_opens ON due_item (opens_at) WHERE place IS NOT NULL;

CREATE INDEX due_item_all_place ON due_item (place, episode_id, id) WHERE place IS NOT NULL;

CREATE INDEX due_item_assignee_opens ON due_item (assignee, opens_at) WHERE place IS NOT NULL;

CREATE INDEX due_item_assignee_place ON due_item (assignee, place, episode_id, id) WHERE place IS NOT NULL;

CREATE INDEX due_item_team_opens ON due_item (team, opens_at) WHERE place IS NOT NULL;

CREATE INDEX due_item_team_place ON due_item (team, place, episode_id, id) WHERE place IS NOT NULL;
