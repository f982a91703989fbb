package ast

import "strings"

// QuoteIdent returns a name as it must be written in SQL: quoted if it has
// characters that fold, or is a keyword that is not free everywhere. It is
// PostgreSQL's quote_identifier.
func QuoteIdent(name string) string {
	if plainIdent(name) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

func plainIdent(name string) bool {
	if name == "" || name[0] != '_' && (name[0] < 'a' || name[0] > 'z') {
		return false
	}
	for i := 1; i < len(name); i++ {
		c := name[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	k, ok := keywords[name]
	return !ok || k.Class == Unreserved
}

// QuoteLiteral returns a string constant: '...' or, with a backslash inside, E'...'.
func QuoteLiteral(s string) string {
	var b strings.Builder
	b.Grow(len(s) + 2)
	escape := strings.IndexByte(s, '\\') >= 0
	if escape {
		b.WriteByte('E')
	}
	b.WriteByte('\'')
	for i := 0; i < len(s); i++ {
		if s[i] == '\'' || s[i] == '\\' {
			b.WriteByte(s[i])
		}
		b.WriteByte(s[i])
	}
	b.WriteByte('\'')
	return b.String()
}

// String returns a qualified name, quoted where needed.
func (n Name) String() string {
	var b strings.Builder
	for _, part := range [...]string{n.Catalog, n.Schema} {
		if part != "" {
			b.WriteString(QuoteIdent(part))
			b.WriteByte('.')
		}
	}
	b.WriteString(QuoteIdent(n.Name))
	return b.String()
}
