// Package catalog makes the tables and views of pg_catalog, information_schema
// and phyllo_catalog: which relations and columns there are, and their rows,
// computed when they are read from the database's objects, the built-in
// functions and types, and what the server says of its sessions and storage.
//
// Names, OIDs and columns are PostgreSQL 15's own, kept in static/relations.txt.
// Rows that never change (access methods, collations, operator classes) are in
// static as well; those of functions and types come from the packages that
// define them. A relation about something that does not exist here, such as
// triggers or replication, has no rows.
//
// The flow: New lists the Relations once; bind finds them by Set.Lookup; exec
// reads them through a Reader, which runs the relation's filler with an Env and
// turns the rows into Arrow columns.
package catalog
