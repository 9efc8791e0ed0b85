-- Gives the roles that `stepcare migrate` has made the passwords of the files that their programs sign in with.
-- psql reads this; SECRETS names the folder. A file is HOST:PORT:DATABASE:ROLE:PASSWORD, as libpq's passfile.
\set app `cut -d: -f5 "$SECRETS/app"`
\set auditor `cut -d: -f5 "$SECRETS/auditor"`
ALTER ROLE care_app PASSWORD :'app';
ALTER ROLE care_auditor PASSWORD :'auditor';
