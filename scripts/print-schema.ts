/** Writes the GraphQL schema, sorted, to server/schema.graphql: the file to read in a review. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { schema } from '../server/schema/index.ts';
import { ROOT } from './run.ts';

writeFileSync(path.join(ROOT, 'server/schema.graphql'), `${printSchema(lexicographicSortSchema(schema))}\n`);
// A store or a timer that the schema's modules opened must not hold this process.
process.exit();
