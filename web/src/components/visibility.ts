/** Tells whether an element is on screen, or nearly, until the function that it returns is called. */
export type Visibility = (element: Element, tell: (visible: boolean) => void) => () => void;

/** How far outside the screen still counts: a row is up to date before it scrolls in. */
const MARGIN = '400px 0px';

/** One observer for many elements; it ends with the last of them. */
export function createVisibility(): Visibility {
  const listeners = new Map<Element, (visible: boolean) => void>();
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) listeners.get(target)?.(isIntersecting);
    },
    { rootMargin: MARGIN },
  );
  return (element, tell) => {
    listeners.set(element, tell);
    observer.observe(element);
    return () => {
      listeners.delete(element);
      observer.unobserve(element);
    };
  };
}
