package plan

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/phyllodb/phyllo/chunk"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/expr"
)

// Runs tells EXPLAIN ANALYZE what the operators of a plan did.
type Runs interface {
	// Run returns what is known of a node; ok is false if it never ran.
	Run(n Node) (r Run, ok bool)
}

// A Run is what one node did, summed over its loops.
type Run struct {
	Rows, Loops  int64
	Time         time.Duration // of the node and its inputs
	SpilledBytes int64
	PeakBytes    int64
	// Of scans: what the storage did, nil for other nodes.
	Scan *chunk.ScanStats
	// Splits is how many pieces the scan had, SplitsSkipped how many were never
	// opened because the answer was known before, Workers how many read them.
	Splits, SplitsSkipped, Workers int
}

// An Explainer writes plans for people.
type Explainer struct {
	Options ExplainOptions
	// Rows estimates how many rows a node yields; nil: unknown.
	Rows func(Node) int64
	// Runs has what happened; nil without ANALYZE.
	Runs Runs
	// Show writes an expression over the columns of fields; nil means ExprText.
	Env *datum.Env
	// Changes is the table that Operation (Update, Delete) changes, nil for queries.
	Changes   *schema.Table
	Operation string
	// PlanningTime and ExecutionTime end the text, if Summary is on.
	PlanningTime, ExecutionTime time.Duration
}

// A shown node: its title and its properties, in PostgreSQL's words.
type shown struct {
	title    string // of the first line in text
	nodeType string
	props    []prop
	children []*shown
	// relation says how it stands to its parent: "Outer", "Inner", "Subquery",
	// or "InitPlan 1" for a subquery.
	relation string
	label    string // a line of its own above the node in text
	rows     int64  // how many are expected, -1 if that is not known
	run      *Run
}

// A prop is a line below a node: a string, a number or a list of strings.
type prop struct {
	name  string
	value any
	text  string // as in text, if it is not the value
}

// Text returns the plan as PostgreSQL's text format has it, a line for each node and property.
func (x *Explainer) Text(n Node) string {
	var sb strings.Builder
	x.textNode(&sb, x.top(n), 0)
	if x.Options.Summary {
		fmt.Fprintf(&sb, "Planning Time: %s ms\n", millis(x.PlanningTime))
		if x.Runs != nil {
			fmt.Fprintf(&sb, "Execution Time: %s ms\n", millis(x.ExecutionTime))
		}
	}
	return sb.String()
}

// JSON returns the plan as a JSON array of one object, as FORMAT JSON does.
func (x *Explainer) JSON(n Node) string {
	top := []field{{"Plan", x.jsonNode(x.top(n))}}
	if x.Options.Summary {
		top = append(top, field{"Planning Time", ms(x.PlanningTime)})
		if x.Runs != nil {
			top = append(top, field{"Execution Time", ms(x.ExecutionTime)})
		}
	}
	b, err := json.MarshalIndent([]object{top}, "", "  ")
	if err != nil {
		panic("plan: bug: explain: " + err.Error())
	}
	return string(b)
}

func millis(d time.Duration) string { return fmt.Sprintf("%.3f", ms(d)) }
func ms(d time.Duration) float64    { return float64(d.Microseconds()) / 1000 }

// An object is a JSON object whose fields keep their order.
type object []field
type field struct {
	name  string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, f := range o {
		if i > 0 {
			b = append(b, ',')
		}
		k, err := json.Marshal(f.name)
		if err != nil {
			return nil, err
		}
		v, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		b = append(append(append(b, k...), ':'), v...)
	}
	return append(b, '}'), nil
}

func (x *Explainer) jsonNode(s *shown) object {
	o := object{{"Node Type", s.nodeType}}
	if s.relation != "" {
		o = append(o, field{"Parent Relationship", s.relation})
	}
	if s.label != "" {
		o = append(o, field{"Subplan Name", s.label})
	}
	for _, p := range s.props {
		o = append(o, field{p.name, p.value})
	}
	if s.rows >= 0 && x.Options.Costs {
		o = append(o, field{"Plan Rows", s.rows})
	}
	if s.run != nil {
		o = append(o, field{"Actual Rows", s.run.Rows}, field{"Actual Loops", s.run.Loops})
		if x.Options.Timing {
			o = append(o, field{"Actual Total Time", ms(s.run.Time)})
		}
	}
	if len(s.children) > 0 {
		var list []object
		for _, c := range s.children {
			list = append(list, x.jsonNode(c))
		}
		o = append(o, field{"Plans", list})
	}
	return o
}

func (x *Explainer) textNode(sb *strings.Builder, s *shown, depth int) {
	// PostgreSQL sets children six columns further in, behind an arrow.
	indent := strings.Repeat(" ", max(depth*6-4, 0))
	body := strings.Repeat(" ", depth*6+2)
	if s.label != "" {
		fmt.Fprintf(sb, "%s%s\n", strings.Repeat(" ", max(depth*6-4, 2)), s.label)
		indent += "  "
	}
	arrow := ""
	if depth > 0 {
		arrow = "->  "
	}
	fmt.Fprintf(sb, "%s%s%s%s\n", indent, arrow, s.title, x.actual(s))
	for _, p := range s.props {
		if strings.HasPrefix(p.name, "-") {
			continue
		}
		text := p.text
		if text == "" {
			switch v := p.value.(type) {
			case []string:
				text = strings.Join(v, ", ")
			default:
				text = fmt.Sprint(v)
			}
		}
		if inTitle[p.name] {
			continue
		}
		fmt.Fprintf(sb, "%s%s: %s\n", body, p.name, text)
	}
	for _, c := range s.children {
		x.textNode(sb, c, depth+1)
	}
}

// inTitle are properties that stand in the title in text.
var inTitle = map[string]bool{"Relation Name": true, "Schema": true, "Alias": true, "Function Name": true, "CTE Name": true,
	"Join Type": true, "Strategy": true, "Command": true, "Operation": true}

func (x *Explainer) actual(s *shown) string {
	var sb strings.Builder
	if s.rows >= 0 && x.Options.Costs {
		fmt.Fprintf(&sb, "  (rows=%d)", s.rows)
	}
	switch {
	case x.Runs == nil:
	case s.run == nil:
		sb.WriteString(" (never executed)")
	case x.Options.Timing:
		fmt.Fprintf(&sb, " (actual time=%s rows=%d loops=%d)", millis(s.run.Time), s.run.Rows, s.run.Loops)
	default:
		fmt.Fprintf(&sb, " (actual rows=%d loops=%d)", s.run.Rows, s.run.Loops)
	}
	return sb.String()
}

// Relations names the columns that expressions of a node refer to.
func names(fields ...[]Field) []string {
	var out []string
	for _, fs := range fields {
		for _, f := range fs {
			out = append(out, f.Name)
		}
	}
	return out
}

func (x *Explainer) text(e expr.Expr, columns []string) string {
	return ExprText(e, columns, x.Env)
}

func (x *Explainer) texts(es []expr.Expr, columns []string) []string {
	out := make([]string, len(es))
	for i, e := range es {
		out[i] = x.text(e, columns)
	}
	return out
}

func (x *Explainer) keys(keys []SortKey, columns []string) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		s := x.text(k.Expr, columns)
		if k.Desc {
			s += " DESC"
		}
		if k.NullsFirst != k.Desc {
			if k.NullsFirst {
				s += " NULLS FIRST"
			} else {
				s += " NULLS LAST"
			}
		}
		out[i] = s
	}
	return out
}

// predicateText writes a pushed predicate.
func (x *Explainer) predicateText(s *Scan, p chunk.Predicate) string {
	c, ok := s.ColumnField(p.Column)
	if !ok {
		return fmt.Sprintf("column %d", p.Column)
	}
	value := func(v datum.Value) string { return x.text(&expr.Const{Value: v, T: datum.Of(c.Type.OID)}, nil) }
	switch p.Op {
	case chunk.OpIsNull:
		return c.Name + " IS NULL"
	case chunk.OpIsNotNull:
		return c.Name + " IS NOT NULL"
	case chunk.OpIn:
		vs := make([]string, len(p.Values))
		for i, v := range p.Values {
			vs[i] = value(v)
		}
		return c.Name + " IN (" + strings.Join(vs, ", ") + ")"
	}
	return c.Name + " " + opSigns[p.Op] + " " + value(p.Values[0])
}

var opSigns = map[chunk.PredicateOp]string{
	chunk.OpEQ: "=", chunk.OpNE: "<>", chunk.OpLT: "<", chunk.OpLE: "<=", chunk.OpGT: ">", chunk.OpGE: ">=", chunk.OpPrefix: "^@", chunk.OpIn: "IN",
}
