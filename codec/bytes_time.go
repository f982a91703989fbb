package codec

import (
	"bytes"
	"math"
)

// Dates and times as text are kept as one integer. A time layout is a string in
// which some letters stand for parts of a time, all of fixed width, and every other
// byte for itself:
//
//	Y year, 4 digits    m month, 2 digits    b month, "Jan"       d day, 2 digits
//	e day, 2 wide, blank for a leading zero  H M S 2 digits each  f digit of a second
//
// The integer counts seconds since 1970, or units of the last digit f; parts that a
// layout does not have are those of 1970-01-01 00:00:00.

const maxTimeLayout = 32

const monthNames = "JanFebMarAprMayJunJulAugSepOctNovDec"

// timeWidth returns the bytes of text that a layout makes, 0 if it is none: a part is
// there twice, or the digits of a second are more than 9 or not together.
func timeWidth(layout []byte) int {
	if len(layout) == 0 || len(layout) > maxTimeLayout {
		return 0
	}
	width := 0
	var seen [256]bool
	for i, c := range layout {
		again := seen[c]
		switch c {
		case 'Y':
			width += 4
		case 'b':
			width += 3
		case 'm', 'd', 'e', 'H', 'M', 'S':
			width += 2
		case 'f':
			width++
			again = again && layout[i-1] != 'f'
		default:
			width++
			again = false
		}
		if again {
			return 0
		}
		seen[c] = true
	}
	if fractionDigits(layout) > 9 || seen['d'] && seen['e'] || seen['m'] && seen['b'] {
		return 0
	}
	return width
}

func fractionDigits(layout []byte) int { return bytes.Count(layout, []byte{'f'}) }

var powersOf10 = func() (p [19]int64) {
	x := int64(1)
	for i := range p {
		p[i] = x
		x *= 10
	}
	return p
}()

// digits reads digits only.
func digits(b []byte) (x int64, ok bool) {
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		}
		x = x*10 + int64(c)
	}
	return x, true
}

// parseTime returns the integer of text that has exactly the layout's width.
func parseTime(layout, b []byte) (int64, bool) {
	year, month, day := int64(1970), int64(1), int64(1)
	var hour, minute, second, fraction int64
	ok := true
	at := 0
	take := func(n int) []byte { at += n; return b[at-n : at] }
	for _, c := range layout {
		switch c {
		case 'Y':
			year, ok = digits(take(4))
		case 'm':
			month, ok = digits(take(2))
			ok = ok && month >= 1 && month <= 12
		case 'b':
			k := bytes.Index([]byte(monthNames), take(3))
			month, ok = int64(k/3+1), k >= 0 && k%3 == 0
		case 'd':
			day, ok = digits(take(2))
		case 'e':
			p := take(2)
			if p[0] == ' ' {
				p = p[1:]
			} else if p[0] == '0' {
				return 0, false
			}
			day, ok = digits(p)
		case 'H':
			hour, ok = digits(take(2))
			ok = ok && hour < 24
		case 'M':
			minute, ok = digits(take(2))
			ok = ok && minute < 60
		case 'S':
			second, ok = digits(take(2))
			ok = ok && second < 60
		case 'f':
			var d int64
			d, ok = digits(take(1))
			fraction = fraction*10 + d
		default:
			ok = take(1)[0] == c
		}
		if !ok {
			return 0, false
		}
	}
	if day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	s := daysFromCivil(year, month, day)*86400 + hour*3600 + minute*60 + second
	unit := powersOf10[fractionDigits(layout)]
	if last := maxSeconds(unit); s > last || s < -last {
		return 0, false
	}
	return s*unit + fraction, true
}

// maxSeconds bounds the seconds of times that are counted in units of them.
func maxSeconds(unit int64) int64 { return math.MaxInt64/unit - 1 }

func daysIn(year, month int64) int64 {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysFromCivil and civil are those of Howard Hinnant, "chrono-compatible low-level
// date algorithms", for the proleptic Gregorian calendar.
func daysFromCivil(y, m, d int64) int64 {
	if m <= 2 {
		y--
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	doy := (153*((m+9)%12)+2)/5 + d - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}

func civil(days int64) (y, m, d int64) {
	days += 719468
	era := floorDiv(days, 146097)
	doe := days - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = doy - (153*mp+2)/5 + 1
	m = (mp+2)%12 + 1
	y = yoe + era*400
	if m <= 2 {
		y++
	}
	return y, m, d
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// A timeText spells integers in a layout. Rows that follow each other are often of
// one day.
type timeText struct {
	layout           []byte
	unit, last       int64
	lacks            string // parts that the layout does not have
	day              int64
	year, month, dom int64
	known            bool // of day
}

func newTimeText(layout []byte) timeText {
	t := timeText{layout: layout, unit: powersOf10[fractionDigits(layout)]}
	t.last = maxSeconds(t.unit)
	for _, part := range []string{"Y", "mb", "de", "H", "M", "S"} {
		if !bytes.ContainsAny(layout, part) {
			t.lacks += part[:1]
		}
	}
	return t
}

// hides says whether parts that the layout lacks are not those of 1970-01-01 00:00:00.
func (t *timeText) hides(hour, rest int64) bool {
	for _, part := range t.lacks {
		switch {
		case part == 'Y' && t.year != 1970, part == 'm' && t.month != 1, part == 'd' && t.dom != 1,
			part == 'H' && hour != 0, part == 'M' && rest/60 != 0, part == 'S' && rest%60 != 0:
			return true
		}
	}
	return false
}

// append spells x; false if no text of the layout has it.
func (t *timeText) append(dst []byte, x int64) ([]byte, bool) {
	s := floorDiv(x, t.unit)
	if s > t.last || s < -t.last {
		return dst, false
	}
	fraction := x - s*t.unit
	day := floorDiv(s, 86400)
	if !t.known || day != t.day {
		if day < -719528 || day > 2932896 { // years 0 to 9999
			return dst, false
		}
		t.year, t.month, t.dom = civil(day)
		t.day, t.known = day, true
	}
	s -= day * 86400
	hour := s / 3600
	s -= hour * 3600
	if t.lacks != "" && t.hides(hour, s) {
		return dst, false
	}
	unit := t.unit
	for _, c := range t.layout {
		switch c {
		case 'Y':
			dst = append2(append2(dst, t.year/100), t.year%100)
		case 'm':
			dst = append2(dst, t.month)
		case 'b':
			dst = append(dst, monthNames[3*t.month-3:3*t.month]...)
		case 'd':
			dst = append2(dst, t.dom)
		case 'e':
			dst = append2(dst, t.dom)
			if t.dom < 10 {
				dst[len(dst)-2] = ' '
			}
		case 'H':
			dst = append2(dst, hour)
		case 'M':
			dst = append2(dst, s/60)
		case 'S':
			dst = append2(dst, s%60)
		case 'f':
			unit /= 10
			dst = append(dst, byte('0'+fraction/unit%10))
		default:
			dst = append(dst, c)
		}
	}
	return dst, true
}

const digitPairs = "00010203040506070809" + "10111213141516171819" + "20212223242526272829" + "30313233343536373839" +
	"40414243444546474849" + "50515253545556575859" + "60616263646566676869" + "70717273747576777879" +
	"80818283848586878889" + "90919293949596979899"

// append2 appends a number below 100 as two digits.
func append2(dst []byte, x int64) []byte {
	return append(dst, digitPairs[2*x], digitPairs[2*x+1])
}

// findTime returns the layout of the date, the time or both that b starts with, and
// their bytes; 0 if there is none. buf has room for the layout.
func findTime(b, buf []byte) (layout []byte, n int) {
	if len(b) < 5 || !isDigit(b[0]) && (b[0] < 'A' || b[0] > 'S') {
		return nil, 0
	}
	layout = buf[:0]
	try := func(part string) bool {
		w := timeWidth([]byte(part))
		if len(b)-n < w {
			return false
		}
		if _, ok := parseTime([]byte(part), b[n:n+w]); !ok {
			return false
		}
		layout = append(layout, part...)
		n += w
		return true
	}
	date := try("Y-m-d") || try("Y/m/d") || try("d/b/Y") || try("b d") || try("b e")
	if date && n < len(b) {
		switch c := b[n]; c {
		case 'T', ' ', ':', '_':
			layout = append(layout, c)
			n++
			if !try("H:M:S") {
				layout, n = layout[:len(layout)-1], n-1
				return layout, n
			}
		default:
			return layout, n
		}
	} else if !date && !try("H:M:S") {
		return nil, 0
	}
	if n+1 < len(b) && (b[n] == '.' || b[n] == ',') && isDigit(b[n+1]) {
		k := 1
		for k < 10 && n+k < len(b) && isDigit(b[n+k]) {
			k++
		}
		layout = append(layout, b[n])
		for range k - 1 {
			layout = append(layout, 'f')
		}
		n += k
	}
	return layout, n
}

func isDigit(c byte) bool { return c-'0' <= 9 }
