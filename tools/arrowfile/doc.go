// Package arrowfile reads and writes the columnar files that phyllo import and
// export work with: Parquet, and Arrow's IPC in its two forms, file and stream.
//
// A Reader hands out a file batch by batch in bounded memory (reader.go), types.go
// says which type of PostgreSQL a type of Arrow stands for and the other way
// round, an Encoder makes of a column's values those of a table's column
// (encode.go, values.go), and a Writer makes files (writer.go).
//
// Files come from anywhere and are not trusted: what is wrong with one is an
// error that says where, never a panic.
package arrowfile
