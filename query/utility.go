package query

import (
	"context"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
	"github.com/phyllodb/phyllo/query/plan"
	"github.com/phyllodb/phyllo/query/setting"
)

// utility runs a statement that the binder does not take: it sets the
// portal's tag or rows.
func (s *Session) utility(ctx context.Context, p *Portal) error {
	var err error
	switch st := p.stmt.stmt.(type) {
	case *ast.Transaction:
		p.tag, err = s.transaction(ctx, st)
	case *ast.SetTransaction:
		p.tag, err = s.setTransaction(ctx, st)
	case *ast.SetConstraints:
		p.tag, err = "SET CONSTRAINTS", s.setConstraints(st)
	case *ast.Set:
		p.tag, err = s.set(ctx, st)
	case *ast.Reset:
		p.tag, err = s.reset(st)
	case *ast.Show:
		err = s.show(p, st)
	case *ast.Prepare:
		p.tag, err = s.prepareCommand(ctx, st)
	case *ast.Execute:
		err = s.executeCommand(ctx, p, st)
	case *ast.CreateTableAs: // with EXECUTE, for the binder takes others
		err = s.createTableExecute(ctx, p, st)
	case *ast.Explain: // with EXECUTE too
		err = s.explainExecute(ctx, p, st)
	case *ast.RefreshView:
		err = s.refresh(ctx, p, st)
	case *ast.Deallocate:
		p.tag, err = s.deallocate(st)
	case *ast.DeclareCursor:
		p.tag, err = s.declare(ctx, p, st)
	case *ast.Fetch:
		err = s.fetch(ctx, p, st)
	case *ast.CloseCursor:
		p.tag, err = s.closeCursor(st)
	case *ast.Discard:
		p.tag, err = s.discard(ctx, st)
	case *ast.Checkpoint:
		p.tag, err = "CHECKPOINT", s.engine.opt.Storage.Checkpoint(ctx)
	case *ast.Backup:
		p.tag, err = s.backup(ctx, st)
	case *ast.Vacuum:
		p.tag, err = s.vacuum(ctx, st)
	case *ast.Lock:
		p.tag, err = s.lockTable(ctx, st)
	case *ast.Listen:
		s.listen(listenAction{st.Channel, true})
		p.tag = "LISTEN"
	case *ast.Unlisten:
		s.listen(listenAction{st.Channel, false})
		p.tag = "UNLISTEN"
	case *ast.Notify:
		p.tag, err = s.notifyCommand(st)
	default:
		p.tag, err = s.definition(ctx, p.stmt.stmt)
	}
	return err
}

// utilityFields are the columns of what a utility statement returns, nil if it
// returns none or names something that is not there (which running it reports).
func (s *Session) utilityFields(stmt ast.Stmt) ([]plan.Field, error) {
	switch st := stmt.(type) {
	case *ast.Show:
		return s.showFields(st)
	case *ast.Fetch:
		if st.Move {
			return nil, nil
		}
		if p := s.portals[st.Cursor]; p != nil {
			return p.fields, nil
		}
	case *ast.Execute:
		if p := s.prepared[st.Name]; p != nil {
			return p.fields, nil
		}
	case *ast.Explain:
		x, err := bind.Explain(st)
		if err != nil {
			return nil, err
		}
		return x.Out, nil
	}
	return nil, nil
}

// set is SET.
func (s *Session) set(ctx context.Context, st *ast.Set) (string, error) {
	local := st.Scope == ast.SetLocal
	if local && !s.inBlock() {
		s.warn(pgerr.NoActiveTransaction, "SET LOCAL can only be used in transaction blocks")
	}
	s.env = nil
	name := st.Name
	if st.Values == nil {
		return "SET", s.resetOne(name)
	}
	value, err := setValue(name, st.Values)
	if err != nil {
		return "", err
	}
	switch lower := strings.ToLower(name); lower {
	case "session_authorization", "role":
		return "SET", s.setIdentity(lower, value)
	case "transaction_isolation", "transaction_read_only", "transaction_deferrable":
		return "SET", s.setMode(ctx, lower, value)
	}
	return "SET", s.settings.Set(name, value, local)
}

// setMode is SET of a parameter that is a mode of the transaction.
func (s *Session) setMode(ctx context.Context, name, value string) error {
	d, _ := setting.Lookup(name)
	value, err := d.Canonical(value)
	if err != nil {
		return err
	}
	if name == "transaction_isolation" {
		return s.setModes(ctx, ast.TransactionModes{Isolation: value})
	}
	on := value == "on"
	if name == "transaction_deferrable" {
		return s.setModes(ctx, ast.TransactionModes{Deferrable: &on})
	}
	return s.setModes(ctx, ast.TransactionModes{ReadOnly: &on})
}

// setIdentity accepts what changes nothing.
func (s *Session) setIdentity(name, value string) error {
	if value == s.opt.User || value == "default" || value == "none" {
		return nil
	}
	return pgerr.Unsupported("SET %s to another user is not supported", strings.ToUpper(strings.ReplaceAll(name, "_", " ")))
}

// setValue joins SET's values as PostgreSQL does: lists of names are quoted.
func setValue(name string, values []ast.Expr) (string, error) {
	var parts []string
	for _, v := range values {
		switch v := v.(type) {
		case *ast.Literal:
			text := v.Text
			if v.Kind == ast.String && strings.EqualFold(name, "search_path") {
				text = ast.QuoteIdent(text)
			}
			parts = append(parts, text)
		case *ast.Unary:
			lit, ok := v.Arg.(*ast.Literal)
			if !ok {
				return "", pgerr.New(pgerr.SyntaxError, "SET %s takes constants", name).At(v.Position())
			}
			parts = append(parts, v.Op.Name+lit.Text)
		case *ast.Cast:
			lit, ok := v.Arg.(*ast.Literal)
			if !ok {
				return "", pgerr.New(pgerr.SyntaxError, "SET %s takes constants", name).At(v.Position())
			}
			hours, err := intervalZone(lit.Text)
			if err != nil {
				return "", err
			}
			parts = append(parts, hours)
		default:
			return "", pgerr.New(pgerr.SyntaxError, "SET %s takes constants", name).At(v.Position())
		}
	}
	return strings.Join(parts, ", "), nil
}

// intervalZone turns SET TIME ZONE INTERVAL '-08:00' HOUR TO MINUTE into hours.
func intervalZone(text string) (string, error) {
	v, err := datum.Parse(datum.Of(datum.Interval), text, &datum.Env{})
	if err != nil {
		return "", err
	}
	iv := v.(datum.IntervalValue)
	if iv.Months != 0 || iv.Days != 0 {
		return "", pgerr.New(pgerr.InvalidParameterValue, "invalid interval value for time zone: %s not allowed",
			map[bool]string{true: "month", false: "day"}[iv.Months != 0])
	}
	return strconv.FormatFloat(float64(iv.Micros)/3.6e9, 'f', -1, 64), nil
}

func (s *Session) setTransaction(ctx context.Context, st *ast.SetTransaction) (string, error) {
	if st.Session {
		if st.Modes.Isolation != "" {
			if err := checkIsolation(st.Modes.Isolation); err != nil {
				return "", err
			}
			if err := s.settings.Set("default_transaction_isolation", st.Modes.Isolation, false); err != nil {
				return "", err
			}
		}
		for name, mode := range map[string]*bool{"read_only": st.Modes.ReadOnly, "deferrable": st.Modes.Deferrable} {
			if mode == nil {
				continue
			}
			if err := s.settings.Set("default_transaction_"+name, onOff(*mode), false); err != nil {
				return "", err
			}
		}
		return "SET", nil
	}
	if !s.inBlock() {
		s.warn(pgerr.NoActiveTransaction, "SET TRANSACTION can only be used in transaction blocks")
		return "SET", nil
	}
	return "SET", s.setModes(ctx, st.Modes)
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func (s *Session) reset(st *ast.Reset) (string, error) {
	s.env = nil
	if st.All {
		s.settings.ResetAll()
		return "RESET", nil
	}
	return "RESET", s.resetOne(st.Name)
}

func (s *Session) resetOne(name string) error {
	switch strings.ToLower(name) {
	case "session_authorization", "role":
		return nil // they never change
	}
	return s.settings.Reset(name)
}

func (s *Session) showFields(st *ast.Show) ([]plan.Field, error) {
	text := func(name string) plan.Field { return plan.Field{Name: name, Type: datum.Of(datum.Text)} }
	if strings.EqualFold(st.Name, "all") {
		return []plan.Field{text("name"), text("setting"), text("description")}, nil
	}
	name := st.Name
	if d, ok := setting.Lookup(name); ok {
		name = d.Name
	} else if _, ok := s.settings.Raw(name); !ok {
		return nil, pgerr.New(pgerr.UndefinedObject, "unrecognized configuration parameter %q", name)
	}
	return []plan.Field{text(name)}, nil
}

// show is SHOW.
func (s *Session) show(p *Portal, st *ast.Show) error {
	fields, err := s.showFields(st)
	if err != nil {
		return err
	}
	var rows [][]datum.Value
	switch {
	case strings.EqualFold(st.Name, "all"):
		for _, d := range setting.All() {
			v, _ := s.Setting(d.Name)
			rows = append(rows, []datum.Value{d.Name, v, d.Desc})
		}
	default:
		v, _ := s.Setting(st.Name)
		rows = [][]datum.Value{{v}}
	}
	p.fields, p.tag = fields, "SHOW"
	p.rows = newRowSet(fields, rows)
	return nil
}

// discard is DISCARD.
func (s *Session) discard(ctx context.Context, st *ast.Discard) (string, error) {
	if st.What == "ALL" {
		if s.inBlock() {
			return "", pgerr.New(pgerr.ActiveTransaction, "DISCARD ALL cannot run inside a transaction block")
		}
		s.closePortals(func(p *Portal) bool { return p.held })
		s.settings.ResetAll()
		s.env = nil
		clear(s.prepared)
		s.listen(listenAction{})
		sessionLocks{s}.UnlockAll()
	}
	if ns := s.temporaryNamespace(); ns != nil && (st.What == "ALL" || st.What == "TEMP") {
		if err := dropInside(ctx, s.txn, ns); err != nil {
			return "", err
		}
	}
	if st.What == "ALL" || st.What == "SEQUENCES" {
		s.sequences.forget()
	}
	return "DISCARD " + st.What, nil
}

// execution is the portal of EXECUTE, which is in the statement of p.
func (s *Session) execution(ctx context.Context, p *Portal, st *ast.Execute) (*Portal, error) {
	prepared, err := s.Prepared(st.Name)
	if err != nil {
		return nil, err
	}
	if len(st.Args) != len(prepared.params) {
		return nil, pgerr.New(pgerr.SyntaxError, "wrong number of parameters for prepared statement %q", st.Name).
			WithDetail("Expected %d parameters but got %d.", len(prepared.params), len(st.Args))
	}
	params := make([]datum.Value, len(st.Args))
	for i, arg := range st.Args {
		if params[i], err = s.scalar(ctx, arg, datum.Of(prepared.params[i]), p.params, p.stmt.params); err != nil {
			return nil, err
		}
	}
	return &Portal{stmt: prepared, params: params, fields: prepared.fields}, nil
}

// executeCommand is EXECUTE: the portal becomes one of the prepared statement.
func (s *Session) executeCommand(ctx context.Context, p *Portal, st *ast.Execute) error {
	inner, err := s.execution(ctx, p, st)
	if err != nil {
		return err
	}
	if inner.stmt.stmt == nil {
		p.tag = ""
		return nil
	}
	if err := s.start(ctx, inner); err != nil {
		inner.close()
		return err
	}
	p.rows, p.fields, p.tag = inner.rows, inner.fields, inner.tag
	return nil
}
