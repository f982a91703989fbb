package setting

import (
	"regexp"
	"strings"

	"github.com/phyllodb/phyllo/internal/pgerr"
)

// Values are one session's parameters. They are used by one goroutine.
//
// SET changes the session's value, undone if the transaction fails; SET LOCAL
// lasts until the transaction's end. Both are kept as a stack of undo records.
type Values struct {
	current  map[string]string // by lower-case name; only what differs from the defaults
	defaults map[string]string // from the start-up packet: what RESET returns to
	undo     []change          // of the open transaction, oldest first
	inTxn    bool
	report   func(name, value string) // told of changes to reported parameters; may be nil
}

type change struct {
	name  string
	old   string
	had   bool
	local bool // undone at commit as well
}

// NewValues returns the defaults, overlaid with the server's and the start-up
// packet's values. report is called with every reported parameter that changes.
func NewValues(initial map[string]string, report func(name, value string)) (*Values, error) {
	v := &Values{current: map[string]string{}, defaults: map[string]string{}}
	for name, value := range initial {
		d, key, err := resolve(name)
		if err != nil {
			return nil, err
		}
		if d != nil {
			if value, err = d.Canonical(value); err != nil {
				return nil, err
			}
		}
		v.defaults[key] = value
		v.current[key] = value
	}
	v.report = report
	return v, nil
}

// customName is how placeholders may be called.
var customName = regexp.MustCompile(`^[A-Za-z_\x{80}-\x{10ffff}][\w$\x{80}-\x{10ffff}]*(\.[A-Za-z_\x{80}-\x{10ffff}][\w$\x{80}-\x{10ffff}]*)+$`)

// resolve finds a definition; names with a dot that nobody defined are
// placeholders, which have no definition and take any string.
func resolve(name string) (*Def, string, error) {
	key := strings.ToLower(name)
	if d, ok := byName[key]; ok {
		return d, key, nil
	}
	if strings.Contains(key, ".") && !strings.HasPrefix(key, "phyllo.") {
		if !customName.MatchString(name) {
			return nil, key, pgerr.New(pgerr.InvalidName, "invalid configuration parameter name %q", name).
				WithDetail("Custom parameter names must be two or more simple identifiers separated by dots.")
		}
		return nil, key, nil
	}
	return nil, key, pgerr.New(pgerr.UndefinedObject, "unrecognized configuration parameter %q", name)
}

// Raw returns the stored value of a parameter ("8388608" rather than "8MB").
func (v *Values) Raw(name string) (string, bool) {
	key := strings.ToLower(name)
	if s, ok := v.current[key]; ok {
		return s, true
	}
	if d, ok := byName[key]; ok {
		return d.Default, true
	}
	return "", false
}

// Show returns a parameter as SHOW prints it.
func (v *Values) Show(name string) (string, bool) {
	s, ok := v.Raw(name)
	if !ok {
		return "", false
	}
	if d, known := byName[strings.ToLower(name)]; known {
		return d.Show(s), true
	}
	return s, true
}

// Set changes a parameter for the session or, if local, for the transaction.
func (v *Values) Set(name, value string, local bool) error {
	d, key, err := resolve(name)
	if err != nil {
		return err
	}
	if d != nil {
		if err := d.settable(); err != nil {
			return err
		}
		if d.Complete != nil {
			present, _ := v.Raw(key)
			if value, err = d.Complete(present, value); err != nil {
				return err
			}
		}
		if value, err = d.Canonical(value); err != nil {
			return err
		}
	}
	v.put(key, value, true, local)
	return nil
}

func (d *Def) settable() error {
	switch d.Scope {
	case Internal:
		return pgerr.New(pgerr.CantChangeParam, "parameter %q cannot be changed", d.Name)
	case Postmaster:
		return pgerr.New(pgerr.CantChangeParam, "parameter %q cannot be changed without restarting the server", d.Name)
	}
	return nil
}

// Reset returns a parameter to the session's default.
func (v *Values) Reset(name string) error {
	d, key, err := resolve(name)
	if err != nil {
		return err
	}
	if d != nil {
		if err := d.settable(); err != nil {
			return err
		}
	}
	v.reset(d, key)
	return nil
}

// reset returns a parameter to the session's default; a placeholder that has none is empty then.
func (v *Values) reset(d *Def, key string) {
	def, had := v.defaults[key]
	_, known := v.current[key]
	v.put(key, def, had || d == nil && known, false)
}

// ResetAll returns every parameter to the session's default.
func (v *Values) ResetAll() {
	for key := range v.current {
		v.reset(byName[key], key)
	}
}

func (v *Values) put(key, value string, has, local bool) {
	if v.inTxn {
		old, had := v.current[key]
		v.undo = append(v.undo, change{key, old, had, local})
	} else if local {
		return // SET LOCAL outside of a transaction has no effect
	}
	v.store(key, value, has)
}

func (v *Values) store(key, value string, has bool) {
	before, _ := v.Raw(key)
	if has {
		v.current[key] = value
	} else {
		delete(v.current, key)
	}
	after, _ := v.Raw(key)
	if d, ok := byName[key]; ok && d.Report && before != after && v.report != nil {
		v.report(d.Name, d.Show(after))
	}
}

// Begin opens a transaction, to whose Mark zero an abort returns.
func (v *Values) Begin() { v.inTxn, v.undo = true, v.undo[:0] }

// Mark returns a point to which RollbackTo returns.
func (v *Values) Mark() int { return len(v.undo) }

// RollbackTo undoes what was set since the mark.
func (v *Values) RollbackTo(mark int) {
	for i := len(v.undo) - 1; i >= mark; i-- {
		c := v.undo[i]
		v.store(c.name, c.old, c.had)
	}
	v.undo = v.undo[:mark]
}

// End closes the transaction: an abort undoes everything, a commit only what
// was SET LOCAL (a later plain SET of the same parameter wins over it).
func (v *Values) End(commit bool) {
	if !commit {
		v.RollbackTo(0)
	} else {
		v.commit()
	}
	v.inTxn, v.undo = false, v.undo[:0]
}

func (v *Values) commit() {
	// After the last plain SET of a parameter its value stays; if SET LOCAL
	// came later, the value before that first later SET LOCAL returns.
	done := map[string]bool{}
	for i := len(v.undo) - 1; i >= 0; i-- {
		c := v.undo[i]
		if done[c.name] {
			continue
		}
		if !c.local {
			done[c.name] = true
			continue
		}
		v.store(c.name, c.old, c.had)
	}
}

// Reported returns the reported parameters with their values, by name.
func (v *Values) Reported() [][2]string {
	var out [][2]string
	for _, d := range sorted {
		if d.Report {
			s, _ := v.Show(d.Name)
			out = append(out, [2]string{d.Name, s})
		}
	}
	return out
}
