package bind

import (
	"math"
	"strconv"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/parse"
)

// A SequenceChange is what the options of a sequence say beside its definition.
type SequenceChange struct {
	Restart bool  // RESTART: the sequence goes on with Value, which Def has as its Last
	Value   int64 // if Restart
	// Owner is OWNED BY table.column, None OWNED BY NONE.
	Owner []string
	None  bool
	Name  []string // SEQUENCE NAME, of identity columns only
}

// sequenceOptions are the options of a sequence by name, each at most once.
type sequenceOptions map[string]ast.Option

func readSequenceOptions(list []ast.Option) (sequenceOptions, error) {
	given := sequenceOptions{}
	for _, o := range list {
		name := o.Name
		switch name {
		case "no minvalue", "no maxvalue", "no cycle":
			name = name[len("no "):]
		}
		if _, again := given[name]; again {
			return nil, pgerr.New(pgerr.SyntaxError, "conflicting or redundant options").At(o.Position())
		}
		given[name] = o
	}
	return given, nil
}

// number reads an option's number; ok is false if it is not given, or as NO.
func (g sequenceOptions) number(name string) (n int64, ok bool, err error) {
	o, ok := g[name]
	if !ok || o.Kind != ast.OptionNumber {
		return 0, false, nil
	}
	if n, err = strconv.ParseInt(o.Value, 10, 64); err != nil {
		return 0, false, pgerr.New(pgerr.NumericOutOfRange, "value \"%s\" is out of range for type bigint", o.Value)
	}
	return n, true, nil
}

// sequenceLimits are the limits of the types that a sequence can have.
func sequenceLimits(t datum.OID) (low, high int64) {
	switch t {
	case datum.Int2:
		return math.MinInt16, math.MaxInt16
	case datum.Int4:
		return math.MinInt32, math.MaxInt32
	}
	return math.MinInt64, math.MaxInt64
}

// SequenceDef applies options to the definition of a sequence that is there, or of a new
// one, whose Increment is 0. What has a name or an OID is the caller's business.
func SequenceDef(env *Env, s *schema.Sequence, options []ast.Option) (*SequenceChange, error) {
	given, err := readSequenceOptions(options)
	if err != nil {
		return nil, err
	}
	ch := &SequenceChange{}
	if o, ok := given["owned by"]; ok {
		ch.Owner, ch.None = o.List, len(o.List) == 1 && o.List[0] == "none"
	}
	if o, ok := given["sequence name"]; ok {
		ch.Name = o.List
	}
	fresh := s.Increment == 0
	typed, err := sequenceType(env, s, given, fresh)
	if err != nil {
		return nil, err
	}
	if err := sequenceStep(s, given, fresh); err != nil {
		return nil, err
	}
	if err := sequenceRange(s, given, fresh, typed); err != nil {
		return nil, err
	}
	return ch, sequenceStart(s, given, ch, fresh)
}

// typeChange says which limits of a sequence were those of its type before that changed.
type typeChange struct{ low, high bool }

func sequenceType(env *Env, s *schema.Sequence, given sequenceOptions, fresh bool) (was typeChange, err error) {
	if fresh && s.Type == 0 {
		s.Type = datum.Int8
	}
	o, ok := given["as"]
	if !ok {
		return was, nil
	}
	name, err := parse.ParseType(o.Value)
	if err != nil {
		return was, err
	}
	t, err := newBinder(env).typeName(name)
	if err != nil {
		return was, err
	}
	if t.OID != datum.Int2 && t.OID != datum.Int4 && t.OID != datum.Int8 {
		return was, pgerr.New(pgerr.InvalidParameterValue, "sequence type must be smallint, integer, or bigint")
	}
	if !fresh {
		low, high := sequenceLimits(s.Type)
		was = typeChange{low: s.Min == low, high: s.Max == high}
	}
	s.Type = t.OID
	return was, nil
}

func sequenceStep(s *schema.Sequence, given sequenceOptions, fresh bool) error {
	step, ok, err := given.number("increment")
	switch {
	case err != nil:
		return err
	case ok && step == 0:
		return pgerr.New(pgerr.InvalidParameterValue, "INCREMENT must not be zero")
	case ok:
		s.Increment = step
	case fresh:
		s.Increment = 1
	}
	if o, ok := given["cycle"]; ok {
		s.Cycle = o.Name == "cycle"
	}
	cache, ok, err := given.number("cache")
	switch {
	case err != nil:
		return err
	case ok && cache <= 0:
		return pgerr.New(pgerr.InvalidParameterValue, "CACHE (%d) must be greater than zero", cache)
	case ok:
		s.Cache = cache
	case fresh:
		s.Cache = 1
	}
	return nil
}

func sequenceRange(s *schema.Sequence, given sequenceOptions, fresh bool, was typeChange) error {
	low, high := sequenceLimits(s.Type)
	max, ok, err := given.number("maxvalue")
	_, reset := given["maxvalue"]
	switch {
	case err != nil:
		return err
	case ok:
		s.Max = max
	case fresh, reset, was.high:
		if s.Max = high; s.Increment < 0 && !was.high {
			s.Max = -1
		}
	}
	if s.Max < low || s.Max > high {
		return pgerr.New(pgerr.InvalidParameterValue, "MAXVALUE (%d) is out of range for sequence data type %s", s.Max, datum.Of(s.Type))
	}
	min, ok, err := given.number("minvalue")
	_, reset = given["minvalue"]
	switch {
	case err != nil:
		return err
	case ok:
		s.Min = min
	case fresh, reset, was.low:
		if s.Min = low; s.Increment > 0 && !was.low {
			s.Min = 1
		}
	}
	if s.Min < low || s.Min > high {
		return pgerr.New(pgerr.InvalidParameterValue, "MINVALUE (%d) is out of range for sequence data type %s", s.Min, datum.Of(s.Type))
	}
	if s.Min >= s.Max {
		return pgerr.New(pgerr.InvalidParameterValue, "MINVALUE (%d) must be less than MAXVALUE (%d)", s.Min, s.Max)
	}
	return nil
}

func sequenceStart(s *schema.Sequence, given sequenceOptions, ch *SequenceChange, fresh bool) error {
	start, ok, err := given.number("start")
	switch {
	case err != nil:
		return err
	case ok:
		s.Start = start
	case fresh && s.Increment > 0:
		s.Start = s.Min
	case fresh:
		s.Start = s.Max
	}
	if err := within(s, "START", s.Start); err != nil {
		return err
	}
	_, restart := given["restart"]
	if ch.Value, ok, err = given.number("restart"); err != nil {
		return err
	}
	if !ok {
		ch.Value = s.Start
	}
	if ch.Restart = fresh || restart; ch.Restart {
		s.Last, s.Called = ch.Value, false
		return within(s, "RESTART", ch.Value)
	}
	return nil
}

// within checks a value of a sequence against its limits.
func within(s *schema.Sequence, what string, v int64) error {
	switch {
	case v < s.Min:
		return pgerr.New(pgerr.InvalidParameterValue, "%s value (%d) cannot be less than MINVALUE (%d)", what, v, s.Min)
	case v > s.Max:
		return pgerr.New(pgerr.InvalidParameterValue, "%s value (%d) cannot be greater than MAXVALUE (%d)", what, v, s.Max)
	}
	return nil
}

// CheckLast checks that the value a sequence is at lies within its limits, which may have changed.
func CheckLast(s *schema.Sequence, last int64) error { return within(s, "RESTART", last) }

// A ColumnSequence is a sequence that comes with a new column: of a serial type, or an
// identity column's.
type ColumnSequence struct {
	Column string
	Serial bool // the column's default takes its values
	Def    *schema.Sequence
	Name   []string // asked for; nil: made of the names of table and column
}

// serialTypes are not types: they make a column of an integer type and a sequence.
var serialTypes = map[string]datum.OID{
	"smallserial": datum.Int2, "serial2": datum.Int2, "serial": datum.Int4, "serial4": datum.Int4,
	"bigserial": datum.Int8, "serial8": datum.Int8,
}

// serial says whether a type's name is that of a serial one, and of which integers.
func serial(t *ast.TypeName) (datum.Type, bool) {
	if len(t.Names) != 1 || len(t.Dims) > 0 {
		return datum.Type{}, false
	}
	oid, ok := serialTypes[t.Names[0]]
	return datum.Of(oid), ok
}

// newSequence adds the sequence of the last column.
func (d *tableDef) newSequence(options []ast.Option, serial bool) error {
	c := &d.columns[len(d.columns)-1]
	s := &ColumnSequence{Column: c.Name, Serial: serial, Def: &schema.Sequence{Type: c.Type.OID, OwnedBy: schema.OwnerColumn{Identity: !serial}}}
	for _, o := range options {
		if o.Name == "as" || o.Name == "owned by" {
			return pgerr.New(pgerr.SyntaxError, "conflicting or redundant options").At(o.Position())
		}
	}
	ch, err := SequenceDef(d.b.env, s.Def, options)
	if err != nil {
		return err
	}
	s.Name = ch.Name
	d.sequences = append(d.sequences, s)
	return nil
}

// identity makes the last column an identity column.
func (d *tableDef) identity(c *ast.Constraint) error {
	col := &d.columns[len(d.columns)-1]
	if col.Identity != schema.NoIdentity {
		return pgerr.New(pgerr.SyntaxError, "multiple identity specifications for column %q of table %q", col.Name, d.name.Name).At(c.Position())
	}
	if err := identityType(col.Type); err != nil {
		return err
	}
	col.NotNull, col.Identity = true, schema.IdentityByDefault
	if c.Always {
		col.Identity = schema.IdentityAlways
	}
	return d.newSequence(c.Options, false)
}

func identityType(t datum.Type) error {
	if t.OID != datum.Int2 && t.OID != datum.Int4 && t.OID != datum.Int8 {
		return pgerr.New(pgerr.InvalidParameterValue, "identity column type must be smallint, integer, or bigint")
	}
	return nil
}

// Identity checks that a column that is there can become an identity column, and returns
// its sequence.
func Identity(env *Env, t *schema.Table, c *schema.Column, k *ast.Constraint) (*ColumnSequence, error) {
	if err := identityType(c.Type); err != nil {
		return nil, err
	}
	switch {
	case c.Identity != schema.NoIdentity:
		return nil, pgerr.New(pgerr.ObjectNotInState, "column %q of relation %q is already an identity column", c.Name, t.Name)
	case !c.NotNull:
		return nil, pgerr.New(pgerr.ObjectNotInState, "column %q of relation %q must be declared NOT NULL before identity can be added", c.Name, t.Name)
	case c.Default != "":
		return nil, pgerr.New(pgerr.ObjectNotInState, "column %q of relation %q already has a default value", c.Name, t.Name)
	}
	d := &tableDef{b: newBinder(env), name: ast.Name{Name: t.Name}, columns: []schema.Column{*c}}
	if err := d.identity(k); err != nil {
		return nil, err
	}
	c.Identity = d.columns[0].Identity
	return d.sequences[0], nil
}

// NextValue is a default that takes the values of a sequence, as it is stored: by the OID, so
// that the sequence may be renamed.
func NextValue(sequence datum.OID) string {
	return "nextval('" + strconv.FormatUint(uint64(sequence), 10) + "'::regclass)"
}

// ObjectName makes a name of that of a table, of a column (or several, or none) and a word,
// within PostgreSQL's 63 bytes: the longer one is cut.
func ObjectName(table, column, label string) string {
	const most = 63
	overhead := len(label) + 1
	if column != "" {
		overhead++
	}
	a, b := len(table), len(column)
	for a+b > most-overhead {
		if a > b {
			a--
		} else {
			b--
		}
	}
	name := cutBytes(table, a)
	if column != "" {
		name += "_" + cutBytes(column, b)
	}
	return name + "_" + label
}

// cutBytes cuts a string to at most n bytes, between characters.
func cutBytes(s string, n int) string {
	for n < len(s) && n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:min(n, len(s))]
}
