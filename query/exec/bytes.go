package exec

import "unsafe"

// stringBytes views a string as bytes, which must not be written to.
func stringBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
