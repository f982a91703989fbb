package query

import (
	"context"

	"github.com/phyllodb/phyllo/internal/pgerr"
	"github.com/phyllodb/phyllo/internal/schema"
	"github.com/phyllodb/phyllo/query/ast"
	"github.com/phyllodb/phyllo/query/bind"
)

// addIdentity is ALTER COLUMN ADD GENERATED ... AS IDENTITY. Rows that are there keep what they have.
func (a *alteration) addIdentity(ctx context.Context, x *ast.AlterAction, c *schema.Column) error {
	seq, err := bind.Identity(a.bindEnv(ctx, nil, true), a.def, c, x.Constraint)
	if err != nil {
		return err
	}
	return a.columnSequences(ctx, a.def, []*bind.ColumnSequence{seq})
}

// setIdentity is ALTER COLUMN SET GENERATED, SET with options of the sequence, and RESTART.
func (a *alteration) setIdentity(ctx context.Context, x *ast.AlterAction, c *schema.Column) error {
	if c.Identity == schema.NoIdentity {
		return notIdentity(a.def, c)
	}
	var options []ast.Option
	for _, o := range x.Options {
		switch {
		case o.Name != "generated":
			options = append(options, o)
		case o.Value == "always":
			c.Identity = schema.IdentityAlways
		default:
			c.Identity = schema.IdentityByDefault
		}
	}
	if options == nil {
		return nil
	}
	def := *a.txn.Catalog().SequenceOf(a.def.OID, c.ID)
	if err := a.changeSequence(ctx, &def, options); err != nil {
		return err
	}
	return a.txn.Apply(ctx, schema.Change{PutSequence: &def})
}

// dropIdentity is ALTER COLUMN DROP IDENTITY.
func (a *alteration) dropIdentity(ctx context.Context, x *ast.AlterAction, c *schema.Column) error {
	if c.Identity == schema.NoIdentity {
		if x.IfExists {
			a.notify("column %q of relation %q is not an identity column, skipping", c.Name, a.def.Name)
			return nil
		}
		return notIdentity(a.def, c)
	}
	c.Identity = schema.NoIdentity
	return a.txn.Apply(ctx, schema.Change{DropSequence: a.txn.Catalog().SequenceOf(a.def.OID, c.ID).OID})
}

func notIdentity(t *schema.Table, c *schema.Column) error {
	return pgerr.New(pgerr.ObjectNotInState, "column %q of relation %q is not an identity column", c.Name, t.Name)
}
