package pgtest

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/phyllodb/phyllo/internal/datum"
)

// mutate makes a text that is nearly one of the corpus.
func mutate(r *rand.Rand, corpus []string) string {
	s := corpus[r.IntN(len(corpus))]
	for range 1 + r.IntN(2) {
		switch i := r.IntN(len(s) + 1); r.IntN(6) {
		case 0:
			if i < len(s) {
				s = s[:i] + s[i+1:]
			}
		case 1:
			const alphabet = "0123456789:+-. /eETZPWDHMSYaAnN,{}\"\\[]x"
			s = s[:i] + string(alphabet[r.IntN(len(alphabet))]) + s[i:]
		case 2:
			if i < len(s) {
				s = s[:i] + string("0123456789"[r.IntN(10)]) + s[i+1:]
			}
		case 3:
			o := corpus[r.IntN(len(corpus))]
			s = s[:i] + o[min(len(o), i):]
		case 4:
			words := strings.Fields(s)
			r.Shuffle(len(words), func(a, b int) { words[a], words[b] = words[b], words[a] })
			s = strings.Join(words, " ")
		case 5:
			s += " " + corpus[r.IntN(len(corpus))]
		}
	}
	return strings.ToValidUTF8(s, "")
}

func withMutations(t *testing.T, corpus []string) []string {
	t.Logf("seed %d", *seed)
	r := rand.New(rand.NewPCG(*seed, uint64(len(corpus))))
	all := append([]string{}, corpus...)
	for range *rounds {
		all = append(all, mutate(r, corpus))
	}
	return all
}

func lines(s string) []string { return strings.Split(strings.Trim(s, "\n"), "\n") }

func TestNumbers(t *testing.T) {
	conn := connect(t)
	set := newSetup(t, "UTC", "ISO, MDY", "postgres", 1)
	corpus := withMutations(t, append(lines(numbers), "", " ", "\t12\n"))
	for _, oid := range []datum.OID{datum.Int2, datum.Int4, datum.Int8, datum.Float4, datum.Float8, datum.Numeric, datum.OIDType} {
		compare(t, conn, set, datum.Of(oid), corpus)
	}
	for _, mod := range [][2]int{{5, 2}, {10, 0}, {18, 6}, {3, 3}, {38, 10}, {4, -2}, {2, 5}, {1000, 1000}} {
		compare(t, conn, set, datum.Type{OID: datum.Numeric, Mod: int32(mod[0])<<16 | int32(mod[1])&0x7ff + 4}, corpus)
	}
	for digits := -15; digits <= 3; digits++ {
		set := newSetup(t, "UTC", "ISO, MDY", "postgres", digits)
		compare(t, conn, set, datum.Of(datum.Float8), lines(numbers))
		compare(t, conn, set, datum.Of(datum.Float4), lines(numbers))
	}
}

const numbers = `
0
-0
1
-1
+1
32767
32768
-32768
-32769
2147483647
2147483648
-2147483648
-2147483649
9223372036854775807
9223372036854775808
-9223372036854775808
-9223372036854775809
4294967295
4294967296
99999999999999999999999999
1.5
-1.5
.5
5.
.
1e5
1e+15
1e14
123456789012345
1234567890123456
1e15
1e16
1e-4
1e-5
0.0001
0.00001
1.00000000000000000
1.0
0.1
0.30000000000000004
1e308
1e309
-1e309
1e-308
1e-320
1e-400
3.4e38
3.5e38
1e-45
1e-46
1.17549435e-38
123456
1234567
0.001234
NaN
nan
-nan
+nan
Infinity
-Infinity
+Infinity
inf
-inf
+inf
infinit
0x1F
0x
0x1p3
1_000
1e
1e+
1 2
  42
42  
abc
1a
--1
+-1
1e400000
1e131071
1e131072
1e-16383
1e-16384
0e200000
0.00
-0.00
-0.001
0.005
0.0049999999
0.995
999.994
999.995
999.9949999999999999
-999.995
12345.6789
49
50
-50
149
12.50000
1.23456789012345678901234567890123456789
98765432109876543210.0123456789
1e 5
1E5
1.e3
.1e3
3.141592653589793
2.718281828459045
1.7976931348623157e308
4.9406564584124654e-324
16777217
9007199254740993
0.1e-6
100000
1000000
999999.5
`

func TestSmallTypes(t *testing.T) {
	conn := connect(t)
	set := newSetup(t, "UTC", "ISO, MDY", "postgres", 1)
	compare(t, conn, set, datum.Of(datum.Bool), withMutations(t, lines(`
t
f
true
false
TRUE
 yes 
no
on
off
of
o
1
0
10
tr
fals
y
n
truey
2`)))
	compare(t, conn, set, datum.Of(datum.UUID), withMutations(t, lines(`
a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11
A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11
{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}
a0eebc999c0b4ef8bb6d6bb9bd380a11
a0ee-bc99-9c0b-4ef8-bb6d-6bb9-bd38-0a11
{a0eebc99-9c0b4ef8-bb6d6bb9-bd380a11}
a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1
a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11x
 a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11`)))
	compare(t, conn, set, datum.Of(datum.Bytea), withMutations(t, lines(`
\x
\xDEADbeef
\x de ad
\xdea
\xzz
\x1é
abc
a\\b
\000\377
\400
\1
\
é`)))
	words := withMutations(t, lines("\nabc\n\nabc  \n   \nabcdef\nééééé\nabcdé\nabc   \n\nnull"))
	for _, typ := range []datum.Type{datum.Of(datum.Text), datum.Of(datum.Varchar), datum.Of(datum.Name),
		{OID: datum.Varchar, Mod: 7}, {OID: datum.BPChar, Mod: 7}, {OID: datum.BPChar, Mod: 5}} {
		compare(t, conn, set, typ, append(words, strings.Repeat("é", 40), strings.Repeat("x", 70)))
	}
	bits := withMutations(t, lines("\n0101\nB0101\nxA5\nXg\n012\n\n10101010101\né"))
	for _, typ := range []datum.Type{datum.Of(datum.VarBit), {OID: datum.Bit, Mod: 4}, {OID: datum.VarBit, Mod: 5}} {
		compare(t, conn, set, typ, bits)
	}
}

func TestJSON(t *testing.T) {
	conn := connect(t)
	set := newSetup(t, "UTC", "ISO, MDY", "postgres", 1)
	corpus := withMutations(t, append(lines(jsons), "", " ", "[1,\n2,\n x]", "{\"a\":\n\"b\x01\"}", "\"\x1f\"", "\"\x7f\""))
	compare(t, conn, set, datum.Of(datum.JSON), corpus)
	compare(t, conn, set, datum.Of(datum.JSONB), corpus)
}

const jsons = `
null
true
false
nul
truex
0
-0
-0.0
1.50
1e3
1E-3
-1.5e+10
01
1.
.5
-
+1
1e
1e5x
1e200000
"abc"
"a\"b\\c\/d\b\f\n\r\t"
"\u0041\u00e9\u20ac"
"\ud83d\ude00"
"\ud83d"
"\ude00"
"\ud83d\ud83d"
"\ud83dx"
"\u0000"
"\u12g4"
"\u12
"\x"
"unterminated
"é"
[]
[ ]
{}
{ }
[1, 2,3 , "x"]
[1,]
[,1]
[1 2]
[1
{"a":1}
{"b":1,"a":2,"aa":3,"b":4}
{"a":{"c":[1,{"d":null}],"b":true}}
{"a":1,}
{"a" 1}
{"a":}
{a:1}
{1:2}
{"a":1 "b":2}
{"a":1
{
[
]
}
[[[[]]]]
{"a":"a very long string that goes on and on for more than fifty characters, so that it is cut" x}
[1] 2
"a" "b"
{"":0}
{"z":1,"é":2,"zz":3}
'a'
@
[1;2]
12345678901234567890.12345678901234567890
nullnull
tRue
`

func TestArrays(t *testing.T) {
	conn := connect(t)
	set := newSetup(t, "UTC", "ISO, MDY", "postgres", 1)
	corpus := withMutations(t, lines(`
{}
{ }
{1,2,3}
 { 1 , 2 , 3 } 
{NULL,1,null}
{"NULL",a}
{"a b","c\"d","e\\f",""}
{a b , c}
{a\ b,c\,d}
{a}b
{a
a}
a
{a,}
{,a}
{"a"b}
{a"b"}
{"a}
{1,x}
[1:2]={1,2}
[1:2]={1}
{{1,2},{3,4}}
{é,"ü "}
{1.50,NaN}
{{}}
{"1","2"}`))
	for _, oid := range []datum.OID{datum.Int4Array, datum.TextArray, datum.NumericArray, datum.BoolArray, datum.JSONBArray} {
		compare(t, conn, set, datum.Of(oid), corpus)
	}
	vectors := lines("\n\n1 2 3\n1\n 1  2 \n1,2\nx\n70000")
	compare(t, conn, set, datum.Of(datum.Int2Vector), vectors)
	compare(t, conn, set, datum.Of(datum.OIDVector), vectors)
}
