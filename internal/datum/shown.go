package datum

import "github.com/apache/arrow-go/v18/arrow"

// maxShown bounds a value in an error's detail, in bytes.
const maxShown = 64

// AppendShown appends a value as details of errors show it: cut if it is long. types is as
// in Env.
func AppendShown(dst []byte, t Type, a arrow.Array, row int, types UserTypes) []byte {
	if a.IsNull(row) {
		return append(dst, "null"...)
	}
	v := AppendTextAt(nil, t, a, row, &Env{Types: types})
	if len(v) > maxShown {
		cut := maxShown
		for cut > 0 && v[cut]&0xc0 == 0x80 { // not within a character
			cut--
		}
		return append(append(dst, v[:cut]...), "..."...)
	}
	return append(dst, v...)
}
