package datum

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// CheckText refuses what PostgreSQL refuses in UTF-8 text: invalid sequences
// and NUL (22021).
func CheckText(s string) error {
	if utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 {
		return nil
	}
	return badText(s)
}

func badText(s string) error {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == 0 || r == utf8.RuneError && n == 1 {
			return badSequence(s[i:])
		}
		i += n
	}
	return nil
}

// badSequence shows as many bytes as the first one announces.
func badSequence(s string) error {
	n := 1
	switch c := s[0]; {
	case c&0xe0 == 0xc0:
		n = 2
	case c&0xf0 == 0xe0:
		n = 3
	case c&0xf8 == 0xf0:
		n = 4
	}
	var b strings.Builder
	for i := range min(n, len(s), 8) {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "0x%02x", s[i])
	}
	return pgerr.New(pgerr.CharacterNotInRepertoire, `invalid byte sequence for encoding "UTF8": %s`, b.String())
}
