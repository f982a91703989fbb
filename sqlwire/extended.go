package sqlwire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/phyllodb/phyllo/internal/datum"
	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/query"
	"github.com/phyllodb/phyllo/query/plan"
)

// extendedMessage runs one message of the extended protocol. After an error it
// answers once, then drops messages until Sync.
func (c *conn) extendedMessage(ctx context.Context, msg pgproto3.FrontendMessage) error {
	c.extended = true
	var err error
	switch m := msg.(type) {
	case *pgproto3.Parse:
		err = c.parse(ctx, m)
	case *pgproto3.Bind:
		err = c.bind(ctx, m)
	case *pgproto3.Describe:
		err = c.describe(ctx, m)
	case *pgproto3.Execute:
		err = c.execute(ctx, m)
	case *pgproto3.Close:
		err = c.close(m)
	case *pgproto3.Flush:
		return c.flush()
	case *pgproto3.Sync:
		return c.sync(ctx)
	case *pgproto3.FunctionCall:
		err = pgerr.Unsupported("the function call protocol is not supported").WithHint("Use SELECT.")
		c.sendError(c.session.Fail(err))
		return c.ready() // a function call is a cycle of its own
	default:
		return fatal(pgerr.New(pgerr.ProtocolViolation, "unexpected message %T", msg))
	}
	if err != nil {
		if err := c.fail(c.session.Fail(err)); err != nil {
			return err
		}
		c.skipToSync = true
	}
	return c.flushIfLarge()
}

func (c *conn) sync(ctx context.Context) error {
	c.skipToSync, c.extended = false, false
	if err := c.session.Sync(ctx); err != nil {
		if err := c.fail(err); err != nil {
			return err
		}
	}
	return c.ready()
}

func (c *conn) parse(ctx context.Context, m *pgproto3.Parse) error {
	types := make([]datum.OID, len(m.ParameterOIDs))
	for i, oid := range m.ParameterOIDs {
		types[i] = datum.OID(oid)
	}
	if err := c.session.Parse(ctx, m.Name, m.Query, types); err != nil {
		return err
	}
	c.send(&pgproto3.ParseComplete{})
	return nil
}

func (c *conn) bind(ctx context.Context, m *pgproto3.Bind) error {
	stmt, err := c.session.Prepared(m.PreparedStatement)
	if err != nil {
		return err
	}
	if err := c.session.Parameters(ctx, stmt.ParamTypes()); err != nil {
		return err
	}
	params, err := c.parameters(stmt, m)
	if err != nil {
		return err
	}
	p, err := c.session.Bind(ctx, m.DestinationPortal, stmt, params)
	if err != nil {
		return err
	}
	if p.Formats, err = resultFormats(m.ResultFormatCodes, p.Fields()); err != nil {
		return err
	}
	c.send(&pgproto3.BindComplete{})
	return nil
}

// parameters decodes the values of a Bind; nothing of the message is kept.
func (c *conn) parameters(stmt *query.Prepared, m *pgproto3.Bind) ([]datum.Value, error) {
	types := stmt.ParamTypes()
	if len(m.Parameters) != len(types) {
		return nil, pgerr.New(pgerr.ProtocolViolation, "bind message supplies %d parameters, but prepared statement %q requires %d",
			len(m.Parameters), m.PreparedStatement, len(types))
	}
	if n := len(m.ParameterFormatCodes); n > 1 && n != len(types) {
		return nil, pgerr.New(pgerr.ProtocolViolation, "bind message has %d parameter formats but %d parameters", n, len(types))
	}
	values := make([]datum.Value, len(types))
	for i, raw := range m.Parameters {
		if raw == nil {
			continue
		}
		var format int16
		switch len(m.ParameterFormatCodes) {
		case 0:
		case 1:
			format = m.ParameterFormatCodes[0]
		default:
			format = m.ParameterFormatCodes[i]
		}
		var err error
		switch format {
		case 0:
			values[i], err = c.session.ParseText(types[i], string(raw))
		case 1:
			values[i], err = datum.ParseBinary(types[i], append([]byte(nil), raw...), c.session.Env())
		default:
			err = pgerr.New(pgerr.InvalidParameterValue, "unsupported format code: %d", format)
		}
		if err != nil {
			return nil, paramError(err, i, m.DestinationPortal)
		}
	}
	return values, nil
}

func paramError(err error, i int, portal string) error {
	var pe *pgerr.Error
	if !errors.As(err, &pe) || pe.Where != "" {
		return err
	}
	c := *pe
	c.Where = fmt.Sprintf("unnamed portal parameter $%d", i+1)
	if portal != "" {
		c.Where = fmt.Sprintf("portal %q parameter $%d", portal, i+1)
	}
	return &c
}

// resultFormats spreads a Bind's result formats over the columns.
func resultFormats(codes []int16, fields []plan.Field) ([]int16, error) {
	for _, f := range codes {
		if f != 0 && f != 1 {
			return nil, pgerr.New(pgerr.InvalidParameterValue, "unsupported format code: %d", f)
		}
	}
	if len(codes) == 0 || fields == nil {
		return nil, nil
	}
	if len(codes) == 1 {
		out := make([]int16, len(fields))
		for i := range out {
			out[i] = codes[0]
		}
		return out, nil
	}
	if len(codes) != len(fields) {
		return nil, pgerr.New(pgerr.ProtocolViolation, "bind message has %d result formats but query has %d columns", len(codes), len(fields))
	}
	return append([]int16(nil), codes...), nil
}

func (c *conn) describe(ctx context.Context, m *pgproto3.Describe) error {
	var fields []plan.Field
	var formats []int16
	switch m.ObjectType {
	case 'S':
		stmt, err := c.session.Prepared(m.Name)
		if err == nil {
			err = c.session.CheckDescribe(stmt.Fields())
		}
		if err != nil {
			return err
		}
		desc := &pgproto3.ParameterDescription{}
		for _, t := range stmt.ParamTypes() {
			desc.ParameterOIDs = append(desc.ParameterOIDs, uint32(t.OID))
		}
		c.send(desc)
		fields = stmt.Fields()
	case 'P':
		p, err := c.session.Portal(m.Name)
		if err == nil {
			err = c.session.CheckDescribe(p.Fields())
		}
		if err != nil {
			return err
		}
		fields, formats = p.Fields(), p.Formats
	default:
		return fatal(pgerr.New(pgerr.ProtocolViolation, "invalid DESCRIBE message subtype %d", m.ObjectType))
	}
	if fields == nil {
		c.send(&pgproto3.NoData{})
		return nil
	}
	c.send(rowDescription(fields, formats))
	return nil
}

func (c *conn) execute(ctx context.Context, m *pgproto3.Execute) error {
	p, err := c.session.Portal(m.Portal)
	if err != nil {
		return err
	}
	c.formats = p.Formats
	begin, stop := time.Now(), c.watch()
	suspended, err := c.session.Execute(ctx, p, int64(max(0, int32(m.MaxRows))))
	stop()
	c.observe(begin, err)
	if err != nil {
		return err
	}
	if suspended {
		c.send(&pgproto3.PortalSuspended{})
	}
	return nil
}

func (c *conn) close(m *pgproto3.Close) error {
	switch m.ObjectType {
	case 'S':
		c.session.ClosePrepared(m.Name)
	case 'P':
		c.session.ClosePortal(m.Name)
	default:
		return fatal(pgerr.New(pgerr.ProtocolViolation, "invalid CLOSE message subtype %d", m.ObjectType))
	}
	c.send(&pgproto3.CloseComplete{})
	return nil
}
