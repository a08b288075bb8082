import type { CodegenConfig } from '@graphql-codegen/cli';

/** Types and documents of the page's operations, from the committed SDL: `npx graphql-codegen`. */
const config: CodegenConfig = {
  schema: 'server/schema.graphql',
  documents: 'web/src/graphql/*.graphql',
  generates: {
    'web/src/graphql/generated.ts': {
      plugins: ['typescript', 'typescript-operations', 'typed-document-node'],
      config: {
        scalars: { BigInt: 'string', DateTime: 'string', YearMonth: 'string' },
        strictScalars: true,
        useTypeImports: true,
        enumsAsTypes: true,
        immutableTypes: true,
        onlyOperationTypes: true,
        skipTypename: true,
        avoidOptionals: { field: true },
        optimizeDocumentNode: true,
      },
    },
  },
};

export default config;
