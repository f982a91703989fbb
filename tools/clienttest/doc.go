// Package clienttest runs unmodified PostgreSQL clients, fetched from their
// registries, against Phyllo: psql, psycopg 3, pgx and pgjdbc, each with its
// default settings.
package clienttest
