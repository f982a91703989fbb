package function

import (
	"strings"
)

// A numberWriter writes a number by a picture.
//
// The digits of the picture are written from left to right: blanks or zeros
// where the number has none, then the number's own. The sign goes before the
// first character that is not a blank, or to the end, or where a field says.
type numberWriter struct {
	p   *numberPicture
	out []byte

	number   string // digits with a point, without the sign; what does not fit is #
	at       int    // the next digit or point of number
	negative bool
	blanks   int // digits of the picture that the number does not have

	current     int  // digit of the picture
	count       int  // digits in all
	signWritten bool // or not to be written with the digits
	begun       bool // a digit was written, so that separators are
	lastDigit   int  // FM: the last digit of number to write, -1: all
	signLast    bool // S goes to the end
	after       int  // digits after the point
	cut         int  // where the text ends because the number did, 0: not
}

// pictureNumber is what is to be written of a number: digits with a point, and
// how many digits the picture has.
type pictureNumber struct {
	digits        string
	negative      bool
	whole         int // digits before the point
	before, after int // digits of the picture before and after the point
}

// number takes a number in decimal digits, multiplied by what V asks for.
func (p *numberPicture) number(text string) pictureNumber {
	digits, negative := strings.CutPrefix(text, "-")
	n := pictureNumber{digits: digits, negative: negative, whole: strings.IndexByte(digits, '.'), before: p.before + p.shift, after: p.after}
	if n.whole < 0 {
		n.whole = len(digits)
	}
	return n
}

// write writes a number. Of one with fewer digits after the point than the
// picture, as floats of little precision have, the text ends with the digits.
func (p *numberPicture) write(n pictureNumber) (string, error) {
	w := numberWriter{p: p, number: n.digits, negative: n.negative, after: n.after, lastDigit: -1}
	switch {
	case p.roman:
	case n.whole < n.before:
		w.blanks = n.before - n.whole
	case n.whole > n.before:
		w.number = strings.Repeat("#", n.before) + "." + strings.Repeat("#", n.after)
	}
	w.prepare(n.before)
	for i := range p.parts {
		part := &p.parts[i]
		if part.kind != fieldPart {
			w.out = append(w.out, part.text...)
			continue
		}
		if err := w.field(part); err != nil {
			return "", err
		}
	}
	if w.cut > 0 {
		w.out = w.out[:w.cut-1]
	}
	return string(w.out), nil
}

// end ends the text here, whatever comes.
func (w *numberWriter) end() {
	if w.cut == 0 {
		w.cut = len(w.out) + 1
	}
}

// prepare decides where the sign goes and where the digits end.
func (w *numberWriter) prepare(before int) {
	p := w.p
	w.signLast = p.sign == signLast
	if p.plus || p.minus {
		w.signWritten = p.minus // MI and SG write it themselves
	} else {
		w.signWritten = !w.negative && p.fill && p.sign == noSign
		w.signLast = w.signLast || p.sign == signFirst && before == p.signBefore
	}
	w.count = w.after + before - 1
	if p.fill && p.decimal {
		w.trim()
	}
	if !w.signWritten && w.blanks == 0 {
		w.count++
	}
}

// trim finds the last digit that is not a zero after the point, or that a 0 of
// the picture asks for.
func (w *numberWriter) trim() {
	point := strings.IndexByte(w.number, '.')
	if point < 0 {
		return
	}
	w.lastDigit = point
	for i := point + 1; i < len(w.number); i++ {
		if w.number[i] != '0' {
			w.lastDigit = i
		}
	}
	if w.p.zeroEnd > w.blanks {
		w.lastDigit = max(w.lastDigit, min(len(w.number)-1, w.p.zeroEnd-w.blanks))
	}
}

// endsAtPoint says that FM leaves no digit after the point.
func (w *numberWriter) endsAtPoint() bool { return w.lastDigit >= 0 && w.number[w.lastDigit] == '.' }

func (w *numberWriter) field(part *picturePart) error {
	p := w.p
	switch part.field {
	case "9", "0", ".", "D":
		w.digit(part.field)
	case ",", "G":
		switch {
		case w.begun:
			w.out = append(w.out, ',')
		case !p.fill:
			w.out = append(w.out, ' ')
		}
	case "L":
		w.out = append(w.out, ' ') // the currency sign that the C locale has
	case "RN":
		s := part.style.apply(w.number)
		if !p.fill {
			s = strings.Repeat(" ", max(0, 15-len(s))) + s
		}
		w.out = append(w.out, s...)
	case "TH":
		if p.roman || strings.HasPrefix(w.number, "#") || w.negative || p.decimal {
			return nil
		}
		how := "TH"
		if part.style == lowerCase {
			how = "th"
		}
		ending, err := ordinalEnding(w.number, how)
		w.out = append(w.out, ending...)
		return err
	case "MI":
		w.mark(w.negative, '-')
	case "PL":
		w.mark(!w.negative && !p.roman, '+')
	case "SG":
		if p.roman {
			w.end()
		} else {
			w.out = append(w.out, signOf(w.negative))
		}
	}
	return nil
}

func signOf(negative bool) byte {
	if negative {
		return '-'
	}
	return '+'
}

// mark writes a sign or a blank in its place.
func (w *numberWriter) mark(show bool, sign byte) {
	switch {
	case show:
		w.out = append(w.out, sign)
	case !w.p.fill:
		w.out = append(w.out, ' ')
	}
}

// hidesZero says that the only digit before the point is a 0 that the picture
// does not ask for, as in .5.
func (w *numberWriter) hidesZero() bool {
	return !w.p.zero && w.at == 0 && strings.HasPrefix(w.number, "0") && w.after != 0
}

// digit writes the next digit of the picture, with the sign before or after it.
func (w *numberWriter) digit(field string) {
	if w.p.roman {
		return
	}
	w.begun = false
	starts := w.current >= w.blanks || w.p.zero && w.p.zeroStart == w.current
	if !w.signWritten && starts && (!w.hidesZero() || w.endsAtPoint()) {
		w.leadingSign()
	}
	switch {
	case w.current < w.blanks && (!w.p.zero || w.p.zeroStart > w.current):
		w.blank()
	case w.current < w.blanks:
		w.out = append(w.out, '0')
		w.begun = true
	default:
		w.ownDigit(field)
		if w.at < len(w.number) {
			w.at++
		}
	}
	w.trailingSign()
	w.current++
}

func (w *numberWriter) blank() {
	if !w.p.fill {
		w.out = append(w.out, ' ')
	}
}

// leadingSign writes the sign before the first digit, if it goes there.
func (w *numberWriter) leadingSign() {
	switch {
	case w.p.sign != noSign:
		if w.signLast {
			return
		}
		w.out = append(w.out, signOf(w.negative))
	case w.p.bracket && !(w.p.fill && !w.negative):
		w.out = append(w.out, map[bool]byte{true: '<', false: ' '}[w.negative])
	case w.negative:
		w.out = append(w.out, '-')
	default:
		w.blank()
	}
	w.signWritten = true
}

// ownDigit writes a digit or the point of the number itself.
func (w *numberWriter) ownDigit(field string) {
	c := byte(0)
	if w.at < len(w.number) {
		c = w.number[w.at]
	}
	switch {
	case c == '.':
		w.out = append(w.out, '.')
	case w.lastDigit >= 0 && w.at > w.lastDigit && field != "0":
	case w.hidesZero():
		if !w.p.fill {
			w.out = append(w.out, ' ')
		} else if w.endsAtPoint() {
			w.out = append(w.out, '0')
		}
	case c == 0:
		w.end()
		w.begun = true
	default:
		w.out = append(w.out, c)
		w.begun = true
	}
}

// trailingSign writes the sign after the last digit, if it goes there.
func (w *numberWriter) trailingSign() {
	end := w.count
	if w.blanks > 0 {
		end++
	}
	if w.p.decimal {
		end++
	}
	if w.lastDigit >= 0 && w.lastDigit == w.at {
		end = w.current
	}
	if w.current+1 != end {
		return
	}
	switch {
	case w.signWritten && w.p.bracket && !(w.p.fill && !w.negative):
		w.out = append(w.out, map[bool]byte{true: '>', false: ' '}[w.negative])
	case w.p.sign != noSign && w.signLast:
		w.out = append(w.out, signOf(w.negative))
	}
}
