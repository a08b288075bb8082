/** Who asks. */
import { builder } from './builder.ts';
import type { Viewer as Shape } from './context.ts';

const Role = builder.enumType('Role', { values: ['VIEWER', 'OPERATOR', 'ADMIN'] as const });

const Viewer = builder.objectRef<Shape>('Viewer').implement({
  fields: (t) => ({
    name: t.exposeString('name'),
    role: t.expose('role', { type: Role }),
  }),
});

builder.queryField('viewer', (t) => t.field({ type: Viewer, resolve: (_root, _args, { viewer }) => viewer }));
