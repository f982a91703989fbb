// Package doctest keeps README.md, docs/*.md and docs/sql/*.md true. Its tests run the examples
// and compare the tables of the reference with the program.
//
// Examples are fenced blocks, run file by file from top to bottom in a folder of
// their own. The words after the language say what a block is:
//
//	sql               statements for psql, in a session of their own
//	sql session=NAME  the same, in a session that stays open
//	sh                commands for bash; "phyllo", "psql" and "curl" are there
//	sh fails          commands that must end with an error
//	sh serve          a server that runs in the background until it is stopped
//	sh stops          commands that stop the server; it must end well
//	sh kills          commands that end the server in another way
//	python, go, java  programs of the clients' page, run
//	LANG file=NAME    the content of a file in the folder
//	LANG norun        something to look at only
//
// A text block that follows is the output. Without one a block must succeed. In
// the output a line "..." stands for any lines and "…" for any text in a line; the
// word times on the text block makes all durations and timestamps alike, and
// sizes all sizes in bytes. -rewrite writes what was printed into the pages; read
// the diff before committing.
//
// A page that starts no server itself gets one. Addresses are written with the
// ports 5433 and 8080 (and 5434, 8081 for a second server); free ones take their
// place.
//
// PHYLLO_TEST_PSQL names the psql program, as make test sets it.
package doctest
