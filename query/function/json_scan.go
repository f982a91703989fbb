package function

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
)

// This file walks over the text of JSON values without parsing them. The text
// is valid: it comes out of a json or jsonb value.

func isJSONSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// trimJSON leaves out the blanks around a value.
func trimJSON(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return r < 0x80 && isJSONSpace(byte(r)) })
}

// jsonKind tells the kind of a trimmed value by its first character.
func jsonKind(s string) datum.JSONKind {
	switch s[0] {
	case '{':
		return datum.KindObject
	case '[':
		return datum.KindArray
	case '"':
		return datum.KindString
	case 't', 'f':
		return datum.KindBool
	case 'n':
		return datum.KindNull
	}
	return datum.KindNumber
}

// jsonStringEnd returns where the string that begins at i ends.
func jsonStringEnd(s string, i int) int {
	for i++; s[i] != '"'; i++ {
		if s[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// jsonValueEnd returns where the value that begins at i ends.
func jsonValueEnd(s string, i int) int {
	switch s[i] {
	case '"':
		return jsonStringEnd(s, i)
	case '{', '[':
		for depth := 0; ; i++ {
			switch s[i] {
			case '"':
				i = jsonStringEnd(s, i) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	for i < len(s) && s[i] != ',' && s[i] != ']' && s[i] != '}' && !isJSONSpace(s[i]) {
		i++
	}
	return i
}

func skipJSONSpace(s string, i int) int {
	for i < len(s) && isJSONSpace(s[i]) {
		i++
	}
	return i
}

// eachJSON calls f for the elements of a trimmed array, with an empty key, or for
// the members of an object, with the key in quotes, until f returns false.
func eachJSON(s string, f func(key, value string) bool) {
	object := s[0] == '{'
	for i := skipJSONSpace(s, 1); s[i] != '}' && s[i] != ']'; i = skipJSONSpace(s, i) {
		if s[i] == ',' {
			i = skipJSONSpace(s, i+1)
		}
		key := ""
		if object {
			end := jsonStringEnd(s, i)
			key = s[i:end]
			i = skipJSONSpace(s, skipJSONSpace(s, end)+1) // the colon
		}
		end := jsonValueEnd(s, i)
		if !f(key, s[i:end]) {
			return
		}
		i = end
	}
}

// jsonText returns what a string in quotes says.
func jsonText(quoted string) (string, error) {
	if strings.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1], nil
	}
	v, err := datum.ParseJSONText(quoted)
	return v.Text, err
}

// jsonField finds a member of a trimmed object; of several with one key, which
// json may have, the last one.
func jsonField(s, key string) (value string, ok bool, err error) {
	if s[0] != '{' {
		return "", false, nil
	}
	eachJSON(s, func(k, v string) bool {
		var name string
		if name, err = jsonText(k); err != nil {
			return false
		}
		if name == key {
			value, ok = v, true
		}
		return true
	})
	return value, ok, err
}

// jsonElement finds an element of a trimmed array; negative indexes count from
// the end.
func jsonElement(s string, index int) (value string, ok bool) {
	if s[0] != '[' {
		return "", false
	}
	if index < 0 {
		if index += jsonLength(s); index < 0 {
			return "", false
		}
	}
	eachJSON(s, func(_, v string) bool {
		if index == 0 {
			value, ok = v, true
		}
		index--
		return !ok
	})
	return value, ok
}

// jsonLength counts the elements of a trimmed array or the members of an object.
func jsonLength(s string) int {
	n := 0
	eachJSON(s, func(string, string) bool { n++; return true })
	return n
}

// asText is what ->> makes of a value: strings as they are, null as NULL.
func asText(value string) (text string, ok bool, err error) {
	switch jsonKind(value) {
	case datum.KindNull:
		return "", false, nil
	case datum.KindString:
		text, err = jsonText(value)
		return text, err == nil, err
	}
	return value, true, nil
}
