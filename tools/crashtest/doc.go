// Package crashtest kills a real server process in the middle of its work and
// checks what it kept: every acknowledged row is there once, no batch in part.
package crashtest
