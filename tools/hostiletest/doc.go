// Package hostiletest sends a server what is meant to harm it: statements that nest without
// end, grow without end, or run without end. Each must fail with a clear error or answer, must
// be cancellable at once, and must leave the sessions beside it and the server's memory alone.
package hostiletest
