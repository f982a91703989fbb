package query

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/phyllodb/phyllo/internal/copyformat"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/plan"
	"github.com/phyllodb/phyllo/query/setting"
)

// copy is COPY in both directions.
func (s *Session) copy(ctx context.Context, p *Portal, c *plan.Copy) error {
	if c.Stmt.Program != "" || c.Stmt.File != "" {
		return pgerr.Unsupported("COPY with files or programs of the server is not supported").
			WithHint("Use COPY FROM STDIN or TO STDOUT, or psql's \\copy.")
	}
	if c.Stmt.From {
		err := s.writable("COPY FROM", c.Table)
		if err != nil {
			return err
		}
		bound, _, err := s.settled(ctx, p, c)
		if err != nil {
			return err
		}
		c = bound.(*plan.Copy)
	}
	names := copyColumnNames(c)
	opt, err := copyOptions(c.Stmt, names)
	if err != nil {
		return err
	}
	var n int64
	if c.Stmt.From {
		n, err = s.copyFrom(ctx, p, c, opt, names)
	} else {
		n, err = s.copyTo(ctx, p, c, opt, names)
	}
	p.tag = "COPY " + strconv.FormatInt(n, 10)
	return err
}

// writable refuses to change tables in a transaction that may only read, unless they are temporary.
func (s *Session) writable(command string, tables ...*schema.Table) error {
	temporary := s.temporaryNamespace()
	permanent := func(t *schema.Table) bool { return temporary == nil || t.Namespace != temporary.OID }
	if s.readOnly && (len(tables) == 0 || slices.ContainsFunc(tables, permanent)) {
		return pgerr.New(pgerr.ReadOnlyTransaction, "cannot execute %s in a read-only transaction", command)
	}
	s.wrote = true
	return nil
}

func copyColumnNames(c *plan.Copy) []string {
	var names []string
	if c.Table != nil {
		for _, i := range c.Columns {
			names = append(names, c.Table.Columns[i].Name)
		}
		return names
	}
	for _, f := range copiedFields(c) {
		names = append(names, f.Name)
	}
	return names
}

// copyOptions reads the options of COPY in PostgreSQL's words.
func copyOptions(st *ast.Copy, names []string) (copyformat.Options, error) {
	format, err := copyFormat(st)
	if err != nil {
		return copyformat.Options{}, err
	}
	opt := copyformat.DefaultOptions(format)
	seen := map[string]bool{}
	escaped := false
	for _, o := range st.Options {
		if seen[o.Name] {
			return opt, pgerr.New(pgerr.SyntaxError, "conflicting or redundant options").At(o.Position())
		}
		seen[o.Name] = true
		if o.Name == "escape" {
			escaped = true
		}
		if err := setCopyOption(&opt, st, o, names); err != nil {
			return opt, err
		}
	}
	if !escaped {
		opt.Escape = opt.Quote
	}
	return opt, opt.Validate()
}

func copyFormat(st *ast.Copy) (copyformat.Format, error) {
	for _, o := range st.Options {
		if o.Name != "format" {
			continue
		}
		switch strings.ToLower(o.Value) {
		case "text":
			return copyformat.Text, nil
		case "csv":
			return copyformat.CSV, nil
		case "binary":
			return copyformat.Binary, nil
		}
		return 0, pgerr.New(pgerr.InvalidParameterValue, "COPY format %q not recognized", o.Value).At(o.Position())
	}
	return copyformat.Text, nil
}

func setCopyOption(opt *copyformat.Options, st *ast.Copy, o ast.Option, names []string) error {
	csvOnly := func() error {
		if opt.Format != copyformat.CSV {
			return pgerr.Unsupported("COPY %s available only in CSV mode", strings.ToLower(strings.ReplaceAll(o.Name, "_", " ")))
		}
		return nil
	}
	csvFromOnly := func() error {
		if err := csvOnly(); err != nil || st.From {
			return err
		}
		return pgerr.Unsupported("COPY %s only available using COPY FROM", strings.ReplaceAll(o.Name, "_", " "))
	}
	notBinary := func() error {
		if opt.Format == copyformat.Binary {
			return pgerr.New(pgerr.SyntaxError, "cannot specify %s in BINARY mode", strings.ToUpper(o.Name))
		}
		return nil
	}
	var err error
	switch o.Name {
	case "format":
	case "delimiter":
		if err = notBinary(); err == nil {
			opt.Delimiter, err = oneByte("delimiter", o.Value)
		}
	case "null":
		err = notBinary()
		opt.Null = o.Value
	case "header":
		if opt.Format == copyformat.Binary {
			return pgerr.Unsupported("cannot specify HEADER in BINARY mode")
		}
		opt.Header, err = copyHeader(st, o)
	case "quote":
		if err = csvOnly(); err == nil {
			opt.Quote, err = oneByte("quote", o.Value)
		}
	case "escape":
		if err = csvOnly(); err == nil {
			opt.Escape, err = oneByte("escape", o.Value)
		}
	case "force_quote":
		if err = csvOnly(); err == nil {
			if o.Kind == ast.OptionStar {
				opt.ForceAll = true
				return nil
			}
			opt.ForceQuote, err = columnFlags(o, names)
		}
	case "force_not_null":
		if err = csvFromOnly(); err == nil {
			opt.ForceNotNull, err = columnFlags(o, names)
		}
	case "force_null":
		if err = csvFromOnly(); err == nil {
			opt.ForceNull, err = columnFlags(o, names)
		}
	case "encoding":
		if e, known := setting.Encoding(o.Value); !known {
			err = pgerr.New(pgerr.InvalidParameterValue, "argument to option %q must be a valid encoding name", o.Name).At(o.Position())
		} else if e != "UTF8" && e != "SQL_ASCII" {
			err = pgerr.Unsupported("COPY encoding %q is not supported", o.Value).WithHint("Convert the data to UTF8.")
		}
	case "freeze":
	default:
		err = pgerr.New(pgerr.SyntaxError, "option %q not recognized", o.Name).At(o.Position())
	}
	return err
}

func oneByte(what, value string) (byte, error) {
	if len(value) != 1 {
		return 0, pgerr.Unsupported("COPY %s must be a single one-byte character", what)
	}
	return value[0], nil
}

func copyHeader(st *ast.Copy, o ast.Option) (copyformat.Header, error) {
	switch strings.ToLower(o.Value) {
	case "match":
		if !st.From {
			return 0, pgerr.Unsupported("cannot use \"match\" with HEADER in COPY TO")
		}
		return copyformat.MatchHeader, nil
	case "", "true", "on", "1":
		return copyformat.SkipHeader, nil
	case "false", "off", "0":
		return copyformat.NoHeader, nil
	}
	return 0, pgerr.New(pgerr.SyntaxError, "header requires a Boolean value or \"match\"")
}

// columnFlags marks the columns that an option lists.
func columnFlags(o ast.Option, names []string) ([]bool, error) {
	list := o.List
	if o.Kind == ast.OptionWord || o.Kind == ast.OptionString {
		list = []string{o.Value}
	}
	flags := make([]bool, len(names))
	for _, name := range list {
		found := false
		for i, n := range names {
			if n == name {
				flags[i], found = true, true
			}
		}
		if !found {
			return nil, pgerr.New(pgerr.UndefinedColumn, "column %q does not exist", name)
		}
	}
	return flags, nil
}
