package function

import (
	"math"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/phyllodb/phyllo/internal/datum"
)

// numberFormats are to_char of numbers and to_number.
func numberFormats(k kernels) {
	k.add(numberToChar(func(p *numberPicture, v int32) (string, error) {
		if p.exponent {
			return showFloat(p, float64(v), 64)
		}
		return showInt(p, int64(v))
	}), "int4_to_char")
	k.add(numberToChar(showInt), "int8_to_char")
	k.add(numberToChar(showNumeric), "numeric_to_char")
	k.add(numberToChar(func(p *numberPicture, v float32) (string, error) { return showFloat(p, float64(v), 32) }), "float4_to_char")
	k.add(numberToChar(func(p *numberPicture, v float64) (string, error) { return showFloat(p, v, 64) }), "float8_to_char")
	k.add(strictBoxed(func(_ *Context, args []datum.Value, _ []datum.Type, _ datum.Type) (datum.Value, error) {
		if args[1].(string) == "" {
			return nil, nil
		}
		return textToNumber(args[0].(string), args[1].(string))
	}, datum.Text), "numeric_to_number")
}

func numberToChar[T scalar](show func(*numberPicture, T) (string, error)) evalFunc {
	return func(c *Context, args []Vec, n int, ret datum.Type) (arrow.Array, error) {
		pictures := wordCache[*numberPicture]{find: parseNumberPicture}
		return fn2(func(v T, picture string) (string, error) {
			if picture == "" {
				return "", nil
			}
			p, err := pictures.of(picture)
			if err != nil {
				return "", err
			}
			return show(p, v)
		})(c, args, n, ret)
	}
}

func showInt(p *numberPicture, v int64) (string, error) {
	switch {
	case p.roman:
		if v != int64(int32(v)) {
			return "", outOfRange[int32]()
		}
		return p.write(pictureNumber{digits: romanNumber(v)})
	case p.exponent:
		return scientificNumeric(datum.DecimalFromInt(v), p), nil
	}
	for range p.shift {
		next, err := mulInt(v, 10)
		if err != nil {
			return "", err
		}
		v = next
	}
	n := p.number(strconv.FormatInt(v, 10))
	if p.after > 0 {
		n.digits += "." + strings.Repeat("0", p.after)
	}
	return p.write(n)
}

func showNumeric(p *numberPicture, d datum.Decimal) (string, error) {
	switch {
	case p.roman:
		v, err := numericToInt[int32](d)
		if err != nil {
			return "", err
		}
		return p.write(pictureNumber{digits: romanNumber(int64(v))})
	case p.exponent:
		if d.Kind != datum.Finite {
			return noExponent(p), nil
		}
		return scientificNumeric(d, p), nil
	}
	if p.multi {
		shifted, err := mulDecimal(d, datum.MakeDecimal(pow10(int64(p.shift)), 0))
		if err != nil {
			return "", err
		}
		d = shifted
	}
	if d.Kind == datum.Finite {
		d = d.Round(int32(p.after))
	}
	return p.write(p.number(d.String()))
}

// showFloat shows a float with no more digits than its type surely has.
func showFloat(p *numberPicture, v float64, bits int) (string, error) {
	precision := 15
	if bits == 32 {
		precision = 6
	}
	switch {
	case p.roman:
		r := math.RoundToEven(v)
		if !(math.Abs(r) <= math.MaxInt32) {
			r = 0 // has no Roman form either
		}
		return p.write(pictureNumber{digits: romanNumber(int64(r))})
	case p.exponent && (math.IsNaN(v) || math.IsInf(v, 0)):
		return noExponent(p), nil
	case p.exponent:
		s := strconv.FormatFloat(v, 'e', p.after, 64)
		if !strings.HasPrefix(s, "-") {
			s = " " + s
		}
		return s, nil
	}
	if p.multi {
		if v *= math.Pow(10, float64(p.shift)); bits == 32 {
			v = float64(float32(v))
		}
	}
	whole := len(floatDigits(math.Abs(v), 0))
	after := max(0, min(p.after, precision-whole))
	n := p.number(floatDigits(v, after))
	n.after = after
	return p.write(n)
}

// floatDigits is C's %.*f.
func floatDigits(v float64, after int) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(v, 'f', after, 64)
}

// noExponent is what stands for infinities and NaN in a picture with EEEE.
func noExponent(p *numberPicture) string {
	return " " + strings.Repeat("#", p.before) + "." + strings.Repeat("#", p.after+4)
}

// scientificNumeric writes a finite number with one digit before the point, as
// many after it as the picture has, and an exponent.
func scientificNumeric(d datum.Decimal, p *numberPicture) string {
	digits := d.Coeff.Text(10)
	exponent := len(digits) - 1 - int(d.Scale)
	if d.IsZero() {
		exponent = 0
	}
	// A number from 1 to 10: rounding may make it 10, which stays so.
	d.Scale = int32(len(digits) - 1)
	if d.IsZero() {
		d.Scale = 0
	}
	text := d.Round(int32(p.after)).String()
	sign := byte('+')
	if exponent < 0 {
		sign, exponent = '-', -exponent
	}
	if !d.Neg {
		text = " " + text
	}
	return text + "e" + string(sign) + zeroFilled(strconv.Itoa(exponent), 2)
}

// romanNumber writes 1 to 3999; others are too much for it.
func romanNumber(v int64) string {
	if v < 1 || v > 3999 {
		return strings.Repeat("#", 15)
	}
	var b strings.Builder
	for _, r := range [...]struct {
		value int64
		text  string
	}{{1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"}, {40, "XL"}, {10, "X"}, {9, "IX"}, {5, "V"}, {4, "IV"}, {1, "I"}} {
		for ; v >= r.value; v -= r.value {
			b.WriteString(r.text)
		}
	}
	return b.String()
}
