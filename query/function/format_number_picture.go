package function

import (
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// A numberPicture is a format of to_char and to_number for numbers, such as
// FM9,999.00: what its parts say together, and the parts.
type numberPicture struct {
	parts []picturePart

	before, after int // digits before and after the point
	shift         int // digits after V
	signBefore    int // digits before the S

	sign      signPlace // of S
	decimal   bool      // there is a point
	fill      bool      // FM
	zero      bool      // there is a 0 before the point
	zeroStart int       // which digit the first 0 is, from 0
	zeroEnd   int       // how many digits there are up to the last 0
	blank     bool      // B
	bracket   bool      // PR
	minus     bool      // MI or SG
	plus      bool      // PL or SG
	roman     bool
	multi     bool // V
	exponent  bool // EEEE
}

type signPlace uint8

const (
	noSign signPlace = iota
	signFirst
	signLast
)

// numberFields are the fields of such pictures, in capitals; all may be written
// in small letters.
var numberFields = func() map[string]string {
	m := map[string]string{}
	for f := range strings.FieldsSeq(", . 0 9 B C D EEEE FM G L MI PL PR RN SG SP S TH V") {
		m[f], m[strings.ToLower(f)] = f, f
	}
	return m
}()

func parseNumberPicture(s string) (*numberPicture, error) {
	if len(s) > maxPicture {
		return nil, errPictureTooLong
	}
	p := &numberPicture{}
	for s != "" {
		name, field := numberFieldAt(s)
		if field == "" {
			p.parts, s = pictureText(p.parts, s)
			continue
		}
		s = s[len(name):]
		part := picturePart{name: name, field: field}
		if name != field {
			part.style = lowerCase
		}
		p.parts = append(p.parts, part)
		if err := p.take(field); err != nil {
			return nil, err
		}
	}
	if p.roman {
		// Nothing else but FM counts.
		*p = numberPicture{parts: p.parts, roman: true, fill: p.fill}
	}
	return p, nil
}

// numberFieldAt finds the longest field that s begins with.
func numberFieldAt(s string) (name, field string) {
	for _, n := range [...]int{4, 2, 1} {
		if len(s) >= n {
			if f := numberFields[s[:n]]; f != "" && (s[:n] == f || s[:n] == strings.ToLower(f)) {
				return s[:n], f
			}
		}
	}
	return "", ""
}

func pictureError(format string, args ...any) *pgerr.Error {
	return pgerr.New(pgerr.SyntaxError, format, args...)
}

// take notes what a field says, and refuses what contradicts the fields before.
func (p *numberPicture) take(field string) error {
	if p.exponent && field != "EEEE" {
		return pictureError("\"EEEE\" must be the last pattern used")
	}
	switch field {
	case "9", "0":
		return p.takeDigit(field)
	case "B":
		if p.before == 0 && p.after == 0 && !p.zero {
			p.blank = true
		}
	case ".", "D":
		switch {
		case p.decimal:
			return pictureError("multiple decimal points")
		case p.multi:
			return pictureError("cannot use \"V\" and decimal point together")
		}
		p.decimal = true
	case "FM":
		p.fill = true
	case "V":
		if p.decimal {
			return pictureError("cannot use \"V\" and decimal point together")
		}
		p.multi = true
	case "RN":
		p.roman = true
	case "EEEE":
		switch {
		case p.exponent:
			return pictureError("cannot use \"EEEE\" twice")
		case p.blank || p.fill || p.sign != noSign || p.bracket || p.minus || p.plus || p.roman || p.multi:
			return pictureError("\"EEEE\" is incompatible with other formats").
				WithDetail("\"EEEE\" may only be used together with digit and decimal point patterns.")
		}
		p.exponent = true
	default:
		return p.takeSign(field)
	}
	return nil
}

func (p *numberPicture) takeDigit(field string) error {
	if p.bracket {
		return pictureError("\"%s\" must be ahead of \"PR\"", field)
	}
	if field == "9" && p.multi {
		p.shift++
		return nil
	}
	if field == "0" && !p.zero && !p.decimal {
		p.zero, p.zeroStart = true, p.before
	}
	if p.decimal {
		p.after++
	} else {
		p.before++
	}
	if field == "0" {
		p.zeroEnd = p.before + p.after
	}
	return nil
}

func (p *numberPicture) takeSign(field string) error {
	switch field {
	case "S":
		switch {
		case p.sign != noSign:
			return pictureError("cannot use \"S\" twice")
		case p.plus || p.minus || p.bracket:
			return pictureError("cannot use \"S\" and \"PL\"/\"MI\"/\"SG\"/\"PR\" together")
		case p.decimal:
			p.sign = signLast
		default:
			p.sign, p.signBefore = signFirst, p.before
		}
	case "MI", "PL", "SG":
		if p.sign != noSign {
			return pictureError("cannot use \"S\" and \"%s\" together", field)
		}
		p.minus = p.minus || field != "PL"
		p.plus = p.plus || field != "MI"
	case "PR":
		if p.sign != noSign || p.plus || p.minus {
			return pictureError("cannot use \"PR\" and \"S\"/\"PL\"/\"MI\"/\"SG\" together")
		}
		p.bracket = true
	}
	return nil
}
