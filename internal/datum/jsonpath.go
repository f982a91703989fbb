package datum

import "github.com/phyllodb/phyllo/internal/jsonpath"

// ParseJSONPath parses a path. It does not look into the patterns of like_regex.
func ParseJSONPath(s string) (*jsonpath.Path, error) {
	return jsonpath.Parse(s, func(number string) (string, error) {
		d, err := ParseDecimal(number)
		if err != nil {
			return "", err
		}
		return d.String(), nil
	})
}

// CanonicalJSONPath returns the text in which paths are kept and written.
func CanonicalJSONPath(s string) (string, error) {
	p, err := ParseJSONPath(s)
	if err != nil {
		return "", err
	}
	return string(p.Append(nil, AppendJSONString)), nil
}
