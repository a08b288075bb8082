import js from '@eslint/js';
import svelte from 'eslint-plugin-svelte';
import globals from 'globals';
import ts from 'typescript-eslint';

export default ts.config(
  {
    // What programs write.
    ignores: [
      'dist/',
      'coverage/',
      'data/',
      'server/store/generated/',
      'server/schema/pothos-types.ts',
      'web/src/graphql/generated.ts',
    ],
  },
  js.configs.recommended,
  {
    languageOptions: { globals: globals.node },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      // `== null` is null or undefined: the one use of it.
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-console': 'off',
      'object-shorthand': 'error',
      'prefer-template': 'error',
    },
  },

  // TypeScript everywhere, with types.
  {
    files: ['**/*.ts', '**/*.svelte', '**/*.svelte.ts'],
    extends: [ts.configs.strictTypeChecked, ts.configs.stylisticTypeChecked],
    languageOptions: {
      parserOptions: {
        // Each folder by its own tsconfig.json: web/ has the browser's.
        projectService: true,
        tsconfigRootDir: import.meta.dirname,
        extraFileExtensions: ['.svelte'],
      },
    },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', caughtErrors: 'all' }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      // A number or a bigint in a text reads as what it is.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // `() => socket.destroy()` and `return next()` are how callbacks are written.
      '@typescript-eslint/no-confusing-void-expression': 'off',
      // A test's double, and a handle from WebAssembly, stand in for a class by their shape.
      '@typescript-eslint/no-unsafe-class-instance-assignment': 'off',
      // An interface's implementation may be synchronous: Driver, Prisma's factories, resolvers.
      '@typescript-eslint/require-await': 'off',
      // `interface` or `type` is the writer's choice.
      '@typescript-eslint/consistent-type-definitions': 'off',
      // tsc's noPropertyAccessFromIndexSignature is off, and process.env['X'] says that X may be missing.
      '@typescript-eslint/dot-notation': 'off',
      // noUncheckedIndexedAccess asks for a `!` wherever an index is known to be within.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // `text || null`: an empty text is no text.
      '@typescript-eslint/prefer-nullish-coalescing': ['error', { ignorePrimitives: { string: true } }],
      // Two overloads with a docstring each say more than a union.
      '@typescript-eslint/unified-signatures': 'off',
    },
  },

  // The page.
  ...svelte.configs.recommended,
  ...svelte.configs.prettier,
  {
    files: ['web/**'],
    languageOptions: { globals: globals.browser },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser } },
    rules: {
      // A plain Map or Set is meant as one: what is shown lives in $state.
      'svelte/prefer-svelte-reactivity': 'off',
      // `void x` in an effect reads x, so that the effect runs again when it changes.
      '@typescript-eslint/no-meaningless-void-operator': 'off',
    },
  },
  {
    files: ['**/*.svelte'],
    rules: {
      // A prop's default and a bound value are assigned by Svelte, not here.
      'prefer-const': 'off',
    },
  },

  // Tests.
  {
    files: ['**/*.test.ts', 'server/testing/**/*.ts', 'tests/**/*.ts', 'bench/**/*.ts'],
    rules: {
      // `expect(driver.read)` asks about a function without calling it.
      '@typescript-eslint/unbound-method': 'off',
    },
  },

  // Plain JavaScript has no types to check by.
  { files: ['**/*.js', '**/*.mjs'], extends: [ts.configs.disableTypeChecked] },
);
