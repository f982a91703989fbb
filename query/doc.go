// Package query is the SQL engine: parse -> bind -> optimise -> execute. Its
// parts lie in the folders below; this package joins them into sessions, which
// hold transactions, prepared statements, portals and settings and run every
// kind of statement against the storage.
//
// Data passes through: Session.Simple or Parse/Bind/Execute -> parse.Parse ->
// bind.Statement -> optimize.Optimize -> exec.Build -> the Client's Rows.
package query
