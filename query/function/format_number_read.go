package function

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A numberReader reads a number by a picture.
type numberReader struct {
	p    *numberPicture
	text string // what is left

	sign          byte // ' ' if there was none
	digits        []byte
	before, after int // digits that were read
	point         bool
}

func textToNumber(s, picture string) (datum.Value, error) {
	p, err := parseNumberPicture(picture)
	if err != nil {
		return nil, err
	}
	switch {
	case p.exponent:
		return nil, pgerr.Unsupported("\"EEEE\" not supported for input")
	case p.roman:
		return nil, pgerr.Unsupported("\"RN\" not supported for input")
	}
	r := numberReader{p: p, text: s, sign: ' '}
	for i := range p.parts {
		if r.text == "" {
			break
		}
		r.part(&p.parts[i])
	}
	digits := strings.TrimSuffix(string(r.digits), ".")
	d, err := datum.ParseDecimal(string(r.sign) + digits)
	if err != nil {
		return nil, err
	}
	if d, err = d.Fit(p.before+p.shift+r.after, r.after); err != nil || !p.multi {
		return d, err
	}
	factor, err := powerDecimal(datum.DecimalFromInt(10), datum.DecimalFromInt(int64(-p.shift)))
	if err != nil {
		return nil, err
	}
	return mulDecimal(d, factor)
}

// part reads what a part of the picture stands for.
func (r *numberReader) part(part *picturePart) {
	if part.kind != fieldPart {
		r.text = r.text[runeSize(r.text):]
		return
	}
	switch part.field {
	case "9", "0", ".", "D":
		r.digit(part.field)
		r.skip(1)
	case ",", "G":
		if !r.p.fill && r.text[0] == ',' {
			r.skip(1)
		}
	case "L":
		r.skipOther(1)
	case "TH":
		if !r.p.decimal {
			r.skipOther(2)
		}
	case "MI", "PL", "SG":
		switch c := r.text[0]; {
		case c == '-' && part.field != "PL", c == '+' && part.field != "MI":
			r.sign = c
			r.skip(1)
		default:
			r.skipOther(1)
		}
	}
}

func (r *numberReader) skip(n int) { r.text = r.text[min(n, len(r.text)):] }

// skipOther skips characters that belong to no number.
func (r *numberReader) skipOther(n int) {
	for ; n > 0 && r.text != "" && !strings.ContainsRune("0123456789.,+-", rune(r.text[0])); n-- {
		r.text = r.text[runeSize(r.text):]
	}
}

// digit reads a digit or the point, and the sign where it may stand. The last
// character that it used is left for the caller to skip, and one is skipped if
// it used none.
func (r *numberReader) digit(field string) {
	if r.text[0] == ' ' {
		r.skip(1)
	}
	if r.text == "" {
		return
	}
	if r.sign == ' ' && (field == "9" || field == "0") && r.before+r.after == 0 {
		switch c := r.text[0]; {
		case c == '-' || c == '+':
			r.sign = c
			r.skip(1)
		case c == '<' && r.p.bracket:
			r.sign = '-'
			r.skip(1)
		}
	}
	if r.text == "" {
		return
	}
	read := false
	switch c := r.text[0]; {
	case c-'0' < 10:
		if r.point && r.after == r.p.after {
			return
		}
		r.digits = append(r.digits, c)
		if r.point {
			r.after++
		} else {
			r.before++
		}
		read = true
	case c == '.' && r.p.decimal && !r.point:
		r.digits = append(r.digits, '.')
		r.point, read = true, true
	}
	if r.sign == ' ' && r.before+r.after > 0 {
		r.signAfter(read)
	}
}

// signAfter reads the sign after the last digit.
func (r *numberReader) signAfter(read bool) {
	switch {
	case r.p.sign != noSign && read && len(r.text) > 1 && !(r.text[1]-'0' < 10):
		if c := r.text[1]; c == '-' || c == '+' {
			r.sign = c
			r.skip(1)
		}
	case r.p.sign == noSign && !read && (r.p.plus || r.p.minus) && (r.text[0] == '-' || r.text[0] == '+'):
		r.sign = r.text[0]
	}
}
