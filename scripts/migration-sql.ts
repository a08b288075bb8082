/**
 * Prints the SQL of `prisma/schema.prisma` from an empty database, by Prisma's own engine:
 * what a new migration is written from (`npx tsx scripts/migration-sql.ts`).
 */
import { PrismaBetterSqlite3 } from '@prisma/adapter-better-sqlite3';
import { diff } from '../server/store/migrate.ts';

process.stdout.write(await diff(new PrismaBetterSqlite3({ url: ':memory:' })));
