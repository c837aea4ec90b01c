-- The roles of the read model's database. The master makes them once; each statement may be repeated. ./shop deploy sends
-- them through the Data API, one at a time: a blank line is between two. Nobody else needs the master.

DO $$ BEGIN
  CREATE ROLE shop_owner LOGIN;
EXCEPTION WHEN duplicate_object THEN NULL; END $$;

DO $$ BEGIN
  CREATE ROLE shop_dispatch LOGIN;
EXCEPTION WHEN duplicate_object THEN NULL; END $$;

DO $$ BEGIN
  CREATE ROLE shop_query LOGIN;
EXCEPTION WHEN duplicate_object THEN NULL; END $$;

-- They sign in with IAM's tokens, and have no passwords.
GRANT rds_iam TO shop_owner, shop_dispatch, shop_query;

-- The migrations make the schemas. Nothing of theirs is in the schema public but the extension pg_trgm.
GRANT CREATE ON DATABASE shop TO shop_owner;
