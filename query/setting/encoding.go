package setting

import "strings"

// encodings are PostgreSQL's, by name in lower case without punctuation.
var encodings = func() map[string]string {
	m := map[string]string{"unicode": "UTF8", "windows949": "UHC", "windows950": "BIG5", "windows936": "GBK", "shiftjis": "SJIS", "mskanji": "SJIS",
		"alt": "WIN866", "win": "WIN1251", "tcvn": "WIN1258", "vscii": "WIN1258", "abc": "WIN1258", "koi8": "KOI8R", "shiftjis2004": "SHIFT_JIS_2004"}
	for _, name := range []string{"SQL_ASCII", "EUC_JP", "EUC_CN", "EUC_KR", "EUC_TW", "EUC_JIS_2004", "UTF8", "MULE_INTERNAL", "LATIN1", "LATIN2", "LATIN3",
		"LATIN4", "LATIN5", "LATIN6", "LATIN7", "LATIN8", "LATIN9", "LATIN10", "WIN1256", "WIN1258", "WIN866", "WIN874", "KOI8R", "WIN1251", "WIN1252",
		"ISO_8859_5", "ISO_8859_6", "ISO_8859_7", "ISO_8859_8", "WIN1250", "WIN1253", "WIN1254", "WIN1255", "WIN1257", "KOI8U", "SJIS", "BIG5", "GBK",
		"UHC", "GB18030", "JOHAB", "SHIFT_JIS_2004"} {
		m[plainEncoding(name)] = name
		if rest, ok := strings.CutPrefix(name, "WIN"); ok {
			m["windows"+rest] = name
		}
	}
	for i, n := range []string{"1", "2", "3", "4", "9", "10", "13", "14", "15", "16"} {
		m["iso8859"+n] = []string{"LATIN1", "LATIN2", "LATIN3", "LATIN4", "LATIN5", "LATIN6", "LATIN7", "LATIN8", "LATIN9", "LATIN10"}[i]
	}
	return m
}()

func plainEncoding(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, name)
}

// Encoding returns PostgreSQL's name of a character encoding that is spelled in
// any of the ways it takes; known says whether there is such an encoding.
func Encoding(name string) (canonical string, known bool) {
	canonical, known = encodings[plainEncoding(name)]
	return canonical, known
}
